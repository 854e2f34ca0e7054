//! Tags of a template, read as minijinja's lexer reads them.

use std::ops::Range;

/// Most bytes of one tag, without texts in quotes and white space: minijinja parses and compiles an expression with a
/// stack as deep as the expression. The longest tag of Meta's templates has 92.
const MAX_TAG: usize = 2048;

/// Words that stand between operands.
const KEYWORDS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];

/// A tag that is too long, or that is one too many.
pub(super) struct TooLong {
    pub begin: usize,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Number,
    Text,
    Open,
    Close,
    Sign,
}

#[derive(Debug)]
pub(super) struct Token<'t> {
    pub kind: Kind,
    pub text: &'t str,
    pub begin: usize,
    /// How many brackets are open around it.
    pub depth: usize,
}

impl Token<'_> {
    pub fn end(&self) -> usize {
        self.begin + self.text.len()
    }
}

/// A `{{ … }}` or `{% … %}`.
pub(super) struct Tag<'t> {
    pub tokens: Vec<Token<'t>>,
    pub statement: bool,
    pub end: usize,
    /// The sign before its closing bracket, `-` or `+` or none. It says whether the white space behind the tag stays.
    pub mark: &'static str,
}

impl<'t> Tag<'t> {
    /// Reads a tag as minijinja's lexer does: brackets hide its end.
    pub fn read(template: &'t str, begin: usize, statement: bool) -> Result<Self, TooLong> {
        let bytes = template.as_bytes();
        let closing: &[u8] = if statement { b"%}" } else { b"}}" };
        let (mut tokens, mut at, mut depth, mut bytes_outside) = (Vec::<Token>::new(), begin + 2, 0usize, 0);
        at += usize::from(matches!(bytes.get(at), Some(b'-' | b'+')));
        let mut mark = "";
        while let Some(byte) = bytes.get(at) {
            if byte.is_ascii_whitespace() {
                at += 1;
                continue;
            }
            let rest = &bytes[at..];
            if depth == 0 {
                let marked = usize::from(matches!(byte, b'-' | b'+'));
                if rest[marked..].starts_with(closing) {
                    mark = match byte {
                        b'-' => "-",
                        b'+' => "+",
                        _ => "",
                    };
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
            bytes_outside += if kind == Kind::Text { 0 } else { len };
            if bytes_outside > MAX_TAG {
                let reason = format!("an expression has more than {MAX_TAG} characters outside of quotes");
                return Err(TooLong { begin, reason });
            }
            at += len;
        }
        Ok(Self { tokens, statement, end: at, mark })
    }

    /// The word that a statement begins with.
    pub fn word(&self) -> &'t str {
        self.tokens.first().filter(|_| self.statement).map_or("", |token| token.text)
    }

    /// Whether it is a statement of this one word.
    pub fn is(&self, word: &str) -> bool {
        self.statement && matches!(&self.tokens[..], [only] if only.text == word)
    }

    /// Whether an operand ends directly before a token.
    pub fn follows(&self, i: usize) -> bool {
        i.checked_sub(1).is_some_and(|i| match self.tokens[i].kind {
            Kind::Name => !self.is_keyword(i),
            Kind::Number | Kind::Text | Kind::Close => true,
            Kind::Open | Kind::Sign => false,
        })
    }

    /// The ranges of tokens that are expressions. Names that are assigned to or declared are not part of them.
    pub fn expressions(&self) -> Vec<Range<usize>> {
        if self.word() == "macro" { self.defaults() } else { std::iter::once(self.expression()).collect() }
    }

    fn expression(&self) -> Range<usize> {
        let last = self.tokens.len();
        if !self.statement || last == 0 {
            return 0..last;
        }
        let behind = |word: &str| self.tokens.iter().position(|token| token.depth == 0 && token.text == word);
        match self.word() {
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
            "filter" => {
                let open = self.tokens.iter().position(|token| token.kind == Kind::Open);
                open.map_or(last, |at| at + 1)..last.saturating_sub(usize::from(open.is_some()))
            }
            word if word.starts_with("end") => last..last,
            _ => 1..last,
        }
    }

    /// The defaults of a macro's parameters.
    fn defaults(&self) -> Vec<Range<usize>> {
        let mut out = Vec::new();
        let mut begin = None;
        for (i, token) in self.tokens.iter().enumerate() {
            match (token.kind, token.text, token.depth) {
                (Kind::Sign, "=", 1) => begin = Some(i + 1),
                (Kind::Sign, ",", 1) | (Kind::Close, _, 0) => out.extend(begin.take().map(|begin| begin..i)),
                _ => {}
            }
        }
        out
    }

    /// Whether the statement takes a bare call: no filter may stand behind the call.
    pub fn is_call(&self) -> bool {
        ["call", "do"].contains(&self.word())
    }

    /// Whether a token is a word between operands. `in` may be the name of a test.
    pub fn is_keyword(&self, i: usize) -> bool {
        let text = |back: usize| i.checked_sub(back).map_or("", |at| self.tokens[at].text);
        let named = text(1) == "." || text(1) == "|";
        let test = self.tokens[i].text == "in" && (text(1) == "is" || (text(1) == "not" && text(2) == "is"));
        !named && !test && self.tokens[i].kind == Kind::Name && KEYWORDS.contains(&self.tokens[i].text)
    }

    /// Whether an operand ends here whose value may be large: a variable with its attributes and items, a list, a call,
    /// a filter.
    pub fn ends_operand(&self, i: usize) -> bool {
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
    rest.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(rest.len())
}
