//! The steps around the model of a `tokenizer.json`, recognized as a whole.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::format::PreTokenizer;

use super::super::shortened;
use super::parts::File;

/// Longest step that is looked into, in bytes; Llama 3's longest has 900.
const MAX_STEP_BYTES: usize = 64 << 10;

/// The character that sentencepiece puts in front of texts and in the place of spaces (U+2581).
const SPACE: &str = "▁";

/// How text is prepared for merging.
#[derive(Clone, Copy, Debug)]
pub(super) enum Family {
    /// No normalizer; words are cut, then bytes become characters.
    ByteLevel {
        /// Patterns that cut the words.
        split: &'static [&'static str],
    },
    /// Spaces become U+2581, and nothing is split.
    SentencePiece {
        /// Whether one is put in front.
        space_prefix: bool,
        /// Whether spaces around the text go and runs of them become one.
        trimmed: bool,
    },
}

/// The meaning of the steps of a file.
pub(super) struct Pipeline {
    pub(super) family: Family,
    /// The token that is put before every text.
    pub(super) begin: Option<u32>,
}

impl Pipeline {
    /// # Errors
    /// A message that shows the step which is not supported.
    pub(super) fn new(file: &File<'_>) -> Result<Self, String> {
        let family = family(file)?;
        let begin = match file.post_processor {
            Some(raw) => begin(&Step::of(raw)).ok_or_else(|| {
                let supported = "supported are ByteLevel, and a template that puts one token in front, or none";
                format!("its post_processor is {}; {supported}", found(file.post_processor))
            })?,
            None => None,
        };
        Ok(Self { family, begin })
    }
}

fn family(file: &File<'_>) -> Result<Family, String> {
    let normalizer = Step::list(file.normalizer, "normalizers");
    let pre_tokenizer = Step::list(file.pre_tokenizer, "pretokenizers");
    let decoder = Step::list(file.decoder, "decoders");
    let family = if let Some(split) = words(&pre_tokenizer).filter(|_| normalizer.is_empty()) {
        Family::ByteLevel { split }
    } else if let Some(family) = sentence_piece(&normalizer).filter(|_| pre_tokenizer.is_empty()) {
        family
    } else {
        return Err(format!(
            "its normalizer is {} and its pre_tokenizer is {}; supported are those of Llama 3 (none; Split by Llama 3's \
             pattern, or by others that llama.cpp has a name for, then ByteLevel) and of Llama 2 (Prepend \"{SPACE}\" \
             and Replace \" \" by \"{SPACE}\"; none)",
            found(file.normalizer),
            found(file.pre_tokenizer)
        ));
    };
    let expected = match family {
        Family::ByteLevel { .. } => &["ByteLevel"][..],
        Family::SentencePiece { .. } => &["Replace", "ByteFallback", "Fuse", "Strip"],
    };
    match decoder.iter().all(|step| expected.contains(&step.kind())) {
        true => Ok(family),
        false => Err(format!("its decoder is {}; supported is {}", found(file.decoder), expected.join(", "))),
    }
}

/// A step as a message shows it.
fn found(raw: Option<&RawValue>) -> String {
    raw.map_or("missing".to_owned(), |raw| shortened(raw.get()))
}

/// A step that was looked into; null where it is too long.
struct Step(Value);

impl Step {
    fn of(raw: &RawValue) -> Self {
        let text = Some(raw.get()).filter(|text| text.len() <= MAX_STEP_BYTES);
        Self(text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null))
    }

    /// The steps of a sequence, or one step, or none.
    fn list(raw: Option<&RawValue>, key: &str) -> Vec<Self> {
        let Some(raw) = raw else { return Vec::new() };
        let mut step = Self::of(raw);
        let sequence = step.kind() == "Sequence";
        match step.0.get_mut(key).filter(|_| sequence).map(Value::take) {
            Some(Value::Array(steps)) => steps.into_iter().map(Self).collect(),
            _ => vec![step],
        }
    }

    fn kind(&self) -> &str {
        self.text("type")
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A flag; `default` is Hugging Face's where it is not written.
    fn flag(&self, key: &str, default: bool) -> Option<bool> {
        self.0.get(key).map_or(Some(default), Value::as_bool)
    }

    fn pattern(&self, key: &str) -> &str {
        self.0.get("pattern").and_then(|pattern| pattern.get(key)).and_then(Value::as_str).unwrap_or_default()
    }

    /// The pattern that a step cuts words by, which are its matches and what lies between them.
    fn cut(&self) -> Option<&str> {
        match self.kind() {
            "Split" if self.text("behavior") == "Isolated" && self.flag("invert", false) == Some(false) => {
                Some(self.pattern("Regex"))
            }
            "Digits" => Some(match self.flag("individual_digits", false)? {
                true => PreTokenizer::NUMBER,
                false => PreTokenizer::NUMBERS,
            }),
            _ => None,
        }
    }

    fn is_replace(&self, key: &str, pattern: &str, content: &str) -> bool {
        self.kind() == "Replace" && self.pattern(key) == pattern && self.text("content") == content
    }
}

/// The patterns that steps cut words by, where a rule is known that has the same ones.
fn words(steps: &[Step]) -> Option<&'static [&'static str]> {
    let (bytes, before) = steps.split_last()?;
    let mut patterns = before.iter().map(Step::cut).collect::<Option<Vec<&str>>>()?;
    if bytes.kind() != "ByteLevel" || bytes.flag("add_prefix_space", true) != Some(false) {
        return None;
    }
    if bytes.flag("use_regex", true)? {
        patterns.push(PreTokenizer::BYTE_LEVEL);
    }
    PreTokenizer::split_by(&patterns)
}

/// The normalizer of a converted sentencepiece model.
fn sentence_piece(mut steps: &[Step]) -> Option<Family> {
    let (mut trimmed, mut space_prefix) = (false, false);
    if let [around, runs, rest @ ..] = steps
        && around.is_replace("Regex", "^ +| +$", "")
        && runs.is_replace("Regex", " {2,}", " ")
    {
        (trimmed, steps) = (true, rest);
    }
    if let [prepend, rest @ ..] = steps
        && prepend.kind() == "Prepend"
        && prepend.text("prepend") == SPACE
    {
        (space_prefix, steps) = (true, rest);
    }
    matches!(steps, [replace] if replace.is_replace("String", " ", SPACE))
        .then_some(Family::SentencePiece { space_prefix, trimmed })
}

/// The token that a post-processor puts in front: `Some(None)` where it puts none, `None` where it does something else.
fn begin(step: &Step) -> Option<Option<u32>> {
    match step.kind() {
        // It moves offsets, and no ids.
        "ByteLevel" => Some(None),
        "Sequence" => {
            let mut found = None;
            for step in step.0.get("processors")?.as_array()? {
                // Two that each put a token in front would put two.
                let next = begin(&Step(step.clone()))?;
                if found.is_some() && next.is_some() {
                    return None;
                }
                found = found.or(next);
            }
            Some(found)
        }
        "TemplateProcessing" => {
            let name = |part: &Value, kind: &str| Some(part.get(kind)?.get("id")?.as_str()?.to_owned());
            match step.0.get("single")?.as_array()?.as_slice() {
                [text] if name(text, "Sequence")? == "A" => Some(None),
                [special, text] if name(text, "Sequence")? == "A" => {
                    let ids = step.0.get("special_tokens")?.get(name(special, "SpecialToken")?)?.get("ids")?;
                    let [id] = ids.as_array()?.as_slice() else { return None };
                    Some(Some(u32::try_from(id.as_u64()?).ok()?))
                }
                _ => None,
            }
        }
        _ => None,
    }
}
