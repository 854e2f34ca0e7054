//! Limits on the values of a template, and Python's operators for minijinja. Both are made by changing the template's
//! text before minijinja reads it.
//!
//! minijinja counts the strings and lists that a template makes. It does not count how often one list stands in
//! another: nested lists can double at every step, and take little memory until they are printed or copied. So a filter
//! is put behind every operand, which fails where the value is too large to be printed or copied. Operators become
//! filters too: `x + y` is `x|__measured|__add(y|__measured)`. Each loop and macro begins with `{% if n|__tick %}{%
//! endif %}`, which pays for the `n` bytes of text in it and looks at the clock. The changes keep the lines of the
//! template, and [`Limited::original`] finds the place in the template that a place in the changed text comes from.
//!
//! `{% generation %}`, in which Hugging Face puts the text that a model is trained on, becomes a block that does
//! nothing, and so does `{% block %}`.

use std::borrow::Cow;
use std::ops::Range;

use minijinja::value::Rest;
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::budget::{self, Deadline};
use super::jinja::operators::OPERATORS;
use super::tag::{Kind, Tag, TooLong};

/// Most `{% elif %}` of a template: minijinja parses each one deeper in its stack than the one before.
const MAX_ELIF: usize = 500;

/// The filter behind a value that was looked up.
const MEASURED: &str = "|__measured";
/// The filter behind a value that the template made.
const MADE: &str = "|__made";
/// Takes the place of a loop's `cycle`, which in minijinja panics without values.
const CYCLE: &str = "index0|__cycle";
/// The filter at the beginning of a loop or macro. It gives false, and takes steps.
const TICK: &str = "|__tick";

/// A range of a template in bytes, and the text that replaces it.
type Edit = (Range<usize>, Cow<'static, str>);

/// A template with the limits in its text.
#[derive(Clone, Debug)]
pub(super) struct Limited {
    /// The changed text.
    pub text: String,
    /// Each change: where the new bytes begin in `text`, how many they are, and how many bytes of the template they
    /// replace.
    changes: Vec<(usize, usize, usize)>,
}

impl Limited {
    /// Changes a template. A text that is not Jinja stays as it is, and minijinja refuses it.
    pub fn new(template: &str) -> Result<Self, TooLong> {
        let mut edits = Vec::<Edit>::new();
        // The tick of each loop that is open, and the bytes of text in it.
        let mut loops = Vec::<(usize, usize)>::new();
        let (mut at, mut elifs, mut copied) = (0, 0, 0);
        while let Some(begin) = template[at..].find('{').map(|found| at + found) {
            at = begin + 2;
            let statement = match template.as_bytes().get(begin + 1) {
                Some(b'#') => {
                    at = template[at..].find("#}").map_or(template.len(), |found| at + found + 2);
                    continue;
                }
                Some(b'%') => true,
                Some(b'{') => false,
                _ => {
                    at = begin + 1;
                    continue;
                }
            };
            let tag = Tag::read(template, begin, statement)?;
            at = tag.end;
            elifs += usize::from(tag.word() == "elif");
            if elifs > MAX_ELIF {
                return Err(TooLong { begin, reason: format!("it has more than {MAX_ELIF} branches by elif") });
            }
            if let Some((_, bytes)) = loops.last_mut() {
                *bytes += begin - copied;
            }
            if tag.is("raw") {
                at = end_of_raw(template, at);
            }
            copied = tag.end;
            edit(&tag, &mut edits);
            match tag.word() {
                "for" | "macro" | "call" => {
                    loops.push((edits.len(), 0));
                    edits.push((tag.end..tag.end, Cow::Borrowed(tag.mark)));
                }
                "endfor" | "endmacro" | "endcall" => {
                    if let Some((tick, bytes)) = loops.pop() {
                        let mark = edits[tick].1.clone();
                        edits[tick].1 = Cow::Owned(format!("{{% if {bytes}{TICK} %}}{{% endif {mark}%}}"));
                    }
                }
                _ => {}
            }
        }
        // A loop without an end is no Jinja.
        for (tick, _) in loops {
            edits[tick].1 = Cow::Borrowed("");
        }
        let (mut text, mut changes, mut copied) = (String::new(), Vec::new(), 0);
        for (range, new) in edits {
            text += &template[copied..range.start];
            changes.push((text.len(), new.len(), range.len()));
            text += &new;
            copied = range.end;
        }
        text += &template[copied..];
        Ok(Self { text, changes })
    }

    /// The range of the template that a range of the changed text comes from.
    pub fn original(&self, range: Range<usize>) -> Range<usize> {
        let back = |at: usize| {
            let before = self.changes.iter().take_while(|(begin, _, _)| *begin < at);
            before.fold(at, |place, (begin, new, old)| place - new.min(&(at - begin)) + old)
        };
        back(range.start)..back(range.end)
    }

    /// Adds the filters of the changed text to an environment.
    pub fn add_to(environment: &mut Environment<'_>, deadline: &Deadline) {
        let clock = deadline.clone();
        environment.add_filter(&MEASURED[1..], move |state: &State, value: Value| {
            clock.check()?;
            budget::measure(state, &value)?;
            Ok::<Value, Error>(value)
        });
        let clock = deadline.clone();
        environment.add_filter(&MADE[1..], move |state: &State, value: Value| {
            clock.check()?;
            budget::measure(state, &value)?;
            budget::charge_value(state, &value)?;
            Ok::<Value, Error>(value)
        });
        environment.add_filter("__cycle", |at: usize, values: Rest<Value>| {
            let none = || Error::new(ErrorKind::InvalidOperation, "cycle takes at least one value");
            values.get(at.checked_rem(values.len()).unwrap_or(0)).cloned().ok_or_else(none)
        });
        let clock = deadline.clone();
        environment.add_filter(&TICK[1..], move |state: &State, bytes: usize| {
            clock.check()?;
            budget::charge(state, bytes).map(|()| false)
        });
    }
}

/// The position behind the tag that ends a raw block.
fn end_of_raw(template: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(begin) = template[at..].find("{%").map(|found| at + found) {
        let unmarked = |text: &'_ str| text.len() - text.strip_prefix(['-', '+']).unwrap_or(text).len();
        let inner = &template[begin + 2..];
        if let Some(inner) = inner[unmarked(inner)..].trim_ascii_start().strip_prefix("endraw") {
            let inner = inner.trim_ascii_start();
            if let Some(rest) = inner[unmarked(inner)..].strip_prefix("%}") {
                return template.len() - rest.len();
            }
        }
        at = begin + 2;
    }
    template.len()
}

/// Collects the changes to one tag.
fn edit(tag: &Tag, edits: &mut Vec<Edit>) {
    let tokens = &tag.tokens;
    for (word, instead) in [("generation", "if true"), ("endgeneration", "endif")] {
        if tag.is(word) {
            edits.push((tokens[0].begin..tokens[0].end(), Cow::Borrowed(instead)));
        }
    }
    for (word, instead) in [("block", "with"), ("endblock", "endwith")] {
        if tag.word() == word {
            let end = tokens.last().map_or(0, |token| token.end());
            edits.push((tokens[0].begin..end, Cow::Borrowed(instead)));
            return;
        }
    }
    for range in tag.expressions() {
        // Operators whose right operand is open: the brackets around them, and how tightly they bind.
        let mut open = Vec::<(usize, u8)>::new();
        let mut opened = Vec::<usize>::new();
        let mut cycles = Vec::<usize>::new();
        let last = range.end;
        for i in range {
            let token = &tokens[i];
            let operator = OPERATORS.iter().find(|(sign, _, _)| token.kind == Kind::Sign && *sign == token.text);
            let operator = operator.filter(|_| tag.follows(i));
            // Operands end here at the latest where their brackets close, or where an operator that binds less follows.
            let loosest = match (token.kind, token.text) {
                (Kind::Close, _) => Some((token.depth + 1, 0)),
                (Kind::Sign, "." | "|") => None,
                (Kind::Sign, _) => match operator {
                    Some((_, _, level)) => Some((token.depth, *level)),
                    None if tag.follows(i) => Some((token.depth, 0)),
                    None => None,
                },
                (Kind::Name, "is") => None,
                (Kind::Name, "not") if i > 0 && tokens[i - 1].text == "is" => None,
                (Kind::Name, _) if tag.is_keyword(i) => Some((token.depth, 0)),
                _ => None,
            };
            if let Some((depth, level)) = loosest {
                while open.pop_if(|(within, binds)| *within > depth || *within == depth && *binds >= level).is_some() {
                    let end = tokens[i - 1].end();
                    edits.push((end..end, Cow::Borrowed(")")));
                }
            }
            match (operator, token.kind) {
                (Some((_, filter, level)), _) => {
                    edits.push((token.begin..token.end(), Cow::Borrowed(filter)));
                    open.push((token.depth, *level));
                }
                // A plus sign before an operand means nothing.
                (None, Kind::Sign) if token.text == "+" => edits.push((token.begin..token.end(), Cow::Borrowed(""))),
                (None, Kind::Text) => escapes(token.text, token.begin, edits),
                (None, Kind::Open) => opened.push(i),
                (None, Kind::Name) if is_cycle(tag, i) => {
                    if is_variable(tag, i.checked_sub(2)) {
                        edits.push((tokens[i - 2].begin..tokens[i - 2].begin, Cow::Borrowed("(")));
                        cycles.push(i + 1);
                    }
                    edits.push((token.begin..token.end(), Cow::Borrowed(CYCLE)));
                }
                _ => {}
            }
            let begin = if token.kind == Kind::Close { opened.pop() } else { None };
            if begin.is_some() && cycles.pop_if(|open| Some(*open) == begin).is_some() {
                edits.push((token.end()..token.end(), Cow::Borrowed(")")));
            }
            if tag.ends_operand(i) && !(tag.is_call() && i + 1 == tokens.len()) {
                let filter = if makes(tag, i, begin) { MADE } else { MEASURED };
                edits.push((token.end()..token.end(), Cow::Borrowed(filter)));
            }
        }
        if let Some(end) = last.checked_sub(1).and_then(|last| tokens.get(last)).map(|token| token.end()) {
            edits.extend(open.iter().map(|_| (end..end, Cow::Borrowed(")"))));
        }
    }
}

/// Whether a token calls the method `cycle`, which loops alone have.
fn is_cycle(tag: &Tag, i: usize) -> bool {
    let text = |at: Option<usize>| at.and_then(|at| tag.tokens.get(at)).map_or("", |token| token.text);
    tag.tokens[i].text == "cycle" && text(i.checked_sub(1)) == "." && text(Some(i + 1)) == "("
}

/// Whether a token is a variable alone, and not part of a longer operand.
fn is_variable(tag: &Tag, i: Option<usize>) -> bool {
    let before = i.and_then(|i| i.checked_sub(1)).map_or("", |before| tag.tokens[before].text);
    i.is_some_and(|i| tag.tokens[i].kind == Kind::Name) && before != "." && before != "|"
}

/// Whether the operand that ends here is made there: by a call, a filter, a slice or brackets, and not only looked up.
fn makes(tag: &Tag, i: usize, begin: Option<usize>) -> bool {
    let tokens = &tag.tokens;
    let token = &tokens[i];
    match (token.text, begin) {
        (")", Some(begin)) => tag.follows(begin),
        ("]", Some(begin)) => {
            let colon = |inner: &super::tag::Token| inner.text == ":" && inner.depth == token.depth + 1;
            !tag.follows(begin) || tokens[begin..i].iter().any(colon)
        }
        ("}", _) => true,
        _ => i > 0 && tokens[i - 1].text == "|",
    }
}

/// Replaces the escapes of Python that minijinja does not know.
fn escapes(text: &str, begin: usize, edits: &mut Vec<Edit>) {
    let mut at = 0;
    while let Some(found) = text[at..].find('\\').map(|found| at + found) {
        let instead = match text.as_bytes().get(found + 1) {
            Some(b'a') => Some((2, Cow::Borrowed("\\x07"))),
            Some(b'v') => Some((2, Cow::Borrowed("\\x0b"))),
            Some(b'U') => {
                let code = text.get(found + 2..found + 10).and_then(|digits| u32::from_str_radix(digits, 16).ok());
                let character = code.and_then(char::from_u32).filter(|character| !character.is_ascii());
                character.map(|character| (10, Cow::Owned(character.to_string())))
            }
            _ => None,
        };
        if let Some((len, instead)) = instead {
            edits.push((begin + found..begin + found + len, instead));
        }
        let escaped = text[found + 1..].chars().next().map_or(0, char::len_utf8);
        at = found + 1 + escaped;
    }
}
