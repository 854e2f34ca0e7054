//! What keeps a hostile template small: every value is measured where it is used.
//!
//! minijinja counts the strings and lists that a template makes. It does not count lists that are joined with `+`,
//! which cost nothing until they are copied one day, all at once; nor that a list stands in another many times, and
//! so on, which takes little until it is printed. So a template is changed before minijinja reads it: behind every
//! operand stands a filter, `x + y` becomes `x|__measured + y|__measured`, which fails where a value is too large to
//! be printed or copied. Lists are not repeated with `*`, which would be large at once. Lines stay lines, and
//! [`Measured::original`] gives positions back.
//!
//! `{% generation %}`, by which Hugging Face marks what a model is trained on, becomes a block that does nothing.

use std::ops::Range;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::template::MAX_DEPTH;

/// Most letters of one tag, texts in quotes and white space not counted: minijinja parses and compiles an expression
/// with a stack as deep as the expression. Meta's longest has 92.
const MAX_TAG: usize = 2048;

/// Most `{% elif %}` of a template: minijinja parses each one deeper in its stack than the one before.
const MAX_ELIF: usize = 500;

/// Bytes that a value counts beside its own letters; a step pays for 64.
pub(super) const VALUE_BYTES: usize = 64;

/// Values that a step pays for when they are counted.
const VALUES_PER_STEP: u64 = 64;

/// Words between operands.
const KEYWORDS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];

const MEASURED: &str = "|__measured";
const FACTOR: &str = "|__factor";

/// A template as minijinja gets it.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub text: String,
    /// Where the text has bytes that the template has not, how many, and how many of the template they stand for.
    changes: Vec<(usize, usize, usize)>,
}

/// A tag that is longer, or one more, than any should be.
pub(super) struct TooLong {
    pub begin: usize,
    pub reason: String,
}

impl Measured {
    /// Changes a template. What is no Jinja stays as it is, for minijinja to refuse.
    pub fn new(template: &str) -> Result<Self, TooLong> {
        let mut edits = Vec::new();
        let (mut at, mut elifs) = (0, 0);
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
            elifs += usize::from(statement && tag.tokens.first().is_some_and(|first| first.text == "elif"));
            if elifs > MAX_ELIF {
                return Err(TooLong { begin, reason: format!("it has more than {MAX_ELIF} branches by elif") });
            }
            if tag.is("raw") {
                at = end_of_raw(template, at);
            }
            tag.edit(&mut edits);
        }
        let (mut text, mut changes, mut copied) = (String::new(), Vec::new(), 0);
        for (range, new) in edits {
            text += &template[copied..range.start];
            changes.push((text.len(), new.len(), range.len()));
            text += new;
            copied = range.end;
        }
        text += &template[copied..];
        Ok(Self { text, changes })
    }

    /// The range of the template that a range of the text stands for.
    pub fn original(&self, range: Range<usize>) -> Range<usize> {
        let back = |at: usize| {
            let before = self.changes.iter().take_while(|(begin, _, _)| *begin < at);
            before.fold(at, |place, (begin, new, old)| place - new.min(&(at - begin)) + old)
        };
        back(range.start)..back(range.end)
    }

    /// Gives an environment the filters that the text uses.
    pub fn add_filters(environment: &mut Environment<'_>) {
        environment.add_filter(&MEASURED[1..], measured);
        environment.add_filter(&FACTOR[1..], factor);
    }
}

/// Behind the tag that ends a raw block.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Number,
    Text,
    Open,
    Close,
    Sign,
}

#[derive(Debug)]
struct Token<'t> {
    kind: Kind,
    text: &'t str,
    begin: usize,
    /// Brackets around it.
    depth: usize,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.begin + self.text.len()
    }
}

/// A `{{ … }}` or `{% … %}`.
struct Tag<'t> {
    tokens: Vec<Token<'t>>,
    statement: bool,
    end: usize,
}

impl<'t> Tag<'t> {
    /// Reads a tag as minijinja's lexer does: brackets hide its end.
    fn read(template: &'t str, begin: usize, statement: bool) -> Result<Self, TooLong> {
        let bytes = template.as_bytes();
        let closing: &[u8] = if statement { b"%}" } else { b"}}" };
        let (mut tokens, mut at, mut depth, mut letters) = (Vec::<Token>::new(), begin + 2, 0usize, 0);
        at += usize::from(matches!(bytes.get(at), Some(b'-' | b'+')));
        while let Some(byte) = bytes.get(at) {
            if byte.is_ascii_whitespace() {
                at += 1;
                continue;
            }
            let rest = &bytes[at..];
            if depth == 0 {
                let marked = usize::from(matches!(byte, b'-' | b'+'));
                if rest[marked..].starts_with(closing) {
                    at += marked + closing.len();
                    break;
                }
            }
            let after_dot = tokens.last().is_some_and(|token| token.text == ".");
            let (kind, len) = match byte {
                b'\'' | b'"' => (Kind::Text, text_len(rest)),
                b'0'..=b'9' => (Kind::Number, number_len(rest, after_dot)),
                b'(' | b'[' | b'{' => (Kind::Open, 1),
                b')' | b']' | b'}' => (Kind::Close, 1),
                _ => match name_len(&template[at..]) {
                    0 if [&b"//"[..], b"**", b"==", b"!=", b">=", b"<="].iter().any(|two| rest.starts_with(two)) => {
                        (Kind::Sign, 2)
                    }
                    0 => (Kind::Sign, template[at..].chars().next().map_or(1, char::len_utf8)),
                    len => (Kind::Name, len),
                },
            };
            depth -= usize::from(kind == Kind::Close && depth > 0);
            tokens.push(Token { kind, text: &template[at..at + len], begin: at, depth });
            depth += usize::from(kind == Kind::Open);
            letters += if kind == Kind::Text { 0 } else { len };
            if letters > MAX_TAG {
                let reason = format!("an expression has more than {MAX_TAG} letters outside of quotes");
                return Err(TooLong { begin, reason });
            }
            at += len;
        }
        Ok(Self { tokens, statement, end: at })
    }

    /// Whether it is a statement of this one word.
    fn is(&self, word: &str) -> bool {
        self.statement && matches!(&self.tokens[..], [only] if only.text == word)
    }

    fn edit(&self, edits: &mut Vec<(Range<usize>, &'static str)>) {
        for (word, instead) in [("generation", "if true"), ("endgeneration", "endif")] {
            if self.is(word) {
                edits.push((self.tokens[0].begin..self.tokens[0].end(), instead));
            }
        }
        let last = self.tokens.len();
        let at = |i: usize| self.tokens.get(i);
        // Whether what stands before a sign is an operand.
        let follows = |i: usize| {
            i.checked_sub(1).is_some_and(|i| match self.tokens[i].kind {
                Kind::Name => !self.is_keyword(i),
                Kind::Number | Kind::Text | Kind::Close => true,
                Kind::Open | Kind::Sign => false,
            })
        };
        let mut before = vec![None::<&str>];
        for i in self.expressions() {
            let token = &self.tokens[i];
            let next = at(i + 1);
            before.resize(token.depth + 1, None);
            match token.kind {
                // A sign before an operand belongs to it.
                Kind::Sign if token.text == "." || token.text == "|" || (token.text == "-" && !follows(i)) => continue,
                Kind::Sign => before[token.depth] = follows(i).then_some(token.text),
                Kind::Name if self.is_keyword(i) => before[token.depth] = None,
                _ => {}
            }
            if !self.ends_operand(i) || (self.is_call() && i + 1 == last) {
                continue;
            }
            let product = |sign: Option<&str>| sign == Some("*");
            let filtered = next.is_some_and(|next| next.text == "|");
            let factor = !filtered && (product(before[token.depth]) || product(next.map(|next| next.text)));
            edits.push((token.end()..token.end(), if factor { FACTOR } else { MEASURED }));
        }
    }

    /// The tokens of expressions: names that are assigned to, or declared, are none.
    fn expressions(&self) -> Range<usize> {
        let last = self.tokens.len();
        let Some(first) = self.tokens.first().filter(|_| self.statement) else { return 0..last };
        let behind = |word: &str| self.tokens.iter().position(|token| token.depth == 0 && token.text == word);
        match first.text {
            "set" => behind("=").map_or(last, |at| at + 1)..last,
            "for" => {
                let recursive = self.tokens.last().is_some_and(|token| token.text == "recursive");
                let last = last - usize::from(recursive);
                behind("in").map_or(last, |at| at + 1).min(last)..last
            }
            // `call (a, b) f()` declares a and b.
            "call" if self.tokens.get(1).is_some_and(|token| token.kind == Kind::Open) => {
                let close = |token: &Token| token.kind == Kind::Close && token.depth == 0;
                self.tokens.iter().position(close).map_or(last, |at| at + 1)..last
            }
            "macro" | "filter" => last..last,
            word if word.starts_with("end") => last..last,
            _ => 1..last,
        }
    }

    /// Whether it wants a call, and nothing around it.
    fn is_call(&self) -> bool {
        self.statement && self.tokens.first().is_some_and(|first| ["call", "do"].contains(&first.text))
    }

    fn is_keyword(&self, i: usize) -> bool {
        let after_dot = i > 0 && self.tokens[i - 1].text == ".";
        !after_dot && self.tokens[i].kind == Kind::Name && KEYWORDS.contains(&self.tokens[i].text)
    }

    /// Whether a value that may be large ends here: a variable with all that is asked of it, a list, a call, a filter.
    fn ends_operand(&self, i: usize) -> bool {
        let token = &self.tokens[i];
        let text = |at: Option<usize>| at.and_then(|at| self.tokens.get(at)).map_or("", |token| token.text);
        let before = text(i.checked_sub(1));
        if [".", "[", "("].contains(&text(Some(i + 1))) {
            return false;
        }
        match token.kind {
            Kind::Close => true,
            Kind::Number => before == ".",
            Kind::Name => {
                let tested = before == "is" || (before == "not" && text(i.checked_sub(2)) == "is");
                let named = text(Some(i + 1)) == "=";
                !self.is_keyword(i) && !tested && !named
            }
            _ => false,
        }
    }
}

/// Bytes of a text in quotes, or of all that is left where it does not end.
fn text_len(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            quote if *quote == rest[0] => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Bytes of a number, as minijinja reads it: a sign may stand in an exponent alone.
fn number_len(rest: &[u8], after_dot: bool) -> usize {
    if matches!(rest, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]) {
        return 2 + rest[2..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    }
    let (mut fraction, mut exponent) = (after_dot, false);
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        let next = rest.get(at + 1);
        match byte {
            b'0'..=b'9' | b'_' => {}
            b'.' if !fraction && !exponent => {
                let power = matches!(rest.get(at + 1..), Some([b'e' | b'E', b'+' | b'-' | b'0'..=b'9', ..]));
                if !power && next.is_some_and(|next| next.is_ascii_alphabetic() || *next == b'_' || *next > 127) {
                    break;
                }
                fraction = true;
            }
            b'e' | b'E' if !exponent => {
                exponent = true;
                at += usize::from(matches!(next, Some(b'+' | b'-')));
            }
            _ => break,
        }
        at += 1;
    }
    at
}

/// Bytes of a name, 0 where there is none.
fn name_len(rest: &str) -> usize {
    rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len())
}

/// The same value, if it is not larger than what a template may take in all.
fn measured(state: &State, value: Value) -> Result<Value, Error> {
    if value.as_object().is_none() {
        return Ok(value);
    }
    let (consumed, remaining) = state.fuel_levels().unwrap_or_default();
    let most = usize::try_from(consumed + remaining).unwrap_or(usize::MAX).saturating_mul(VALUE_BYTES);
    let mut count = Count { left: most, values: 0 };
    count.value(&value, 0)?;
    state.consume_fuel(count.values / VALUES_PER_STEP)?;
    Ok(value)
}

struct Count {
    /// Bytes that are left.
    left: usize,
    values: u64,
}

impl Count {
    /// Takes the bytes of a value, as it would be printed, from those that are left.
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("lists nest deeper than {MAX_DEPTH}")));
        }
        let letters = value.as_str().map_or(0, str::len);
        self.left = self.left.checked_sub(letters + VALUE_BYTES).ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
        self.values += 1;
        let kind = value.kind();
        if matches!(kind, ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
            for item in value.try_iter()? {
                self.value(&item, depth + 1)?;
                if kind == ValueKind::Map {
                    self.value(&value.get_item(&item)?, depth + 1)?;
                }
            }
        }
        Ok(())
    }
}

/// The same value, if it is no list: repeating one costs nothing, and what comes of it can be of any length.
fn factor(state: &State, value: Value) -> Result<Value, Error> {
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(Error::new(ErrorKind::InvalidOperation, "lists cannot be repeated with *"));
    }
    measured(state, value)
}
