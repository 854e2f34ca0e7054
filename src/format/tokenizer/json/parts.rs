//! The parts of a `tokenizer.json`. Long lists are read into their final form, and everything that
//! is not needed is skipped, so that a file costs a small multiple of its own bytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::format::vocabulary::{MAX_MERGES, MAX_TOKENS, is_merge};

use super::super::shown;
use super::pipeline::Family;

/// `truncation` and `padding` are left out: they shape batches, not ids.
#[derive(Deserialize)]
pub(super) struct File<'f> {
    #[serde(borrow)]
    pub(super) added_tokens: Option<Vec<AddedToken<'f>>>,
    #[serde(borrow)]
    pub(super) normalizer: Option<&'f RawValue>,
    #[serde(borrow)]
    pub(super) pre_tokenizer: Option<&'f RawValue>,
    #[serde(borrow)]
    pub(super) post_processor: Option<&'f RawValue>,
    #[serde(borrow)]
    pub(super) decoder: Option<&'f RawValue>,
    #[serde(borrow)]
    pub(super) model: Model<'f>,
}

#[derive(Deserialize)]
pub(super) struct AddedToken<'f> {
    pub(super) id: u32,
    #[serde(borrow)]
    pub(super) content: Cow<'f, str>,
    #[serde(default)]
    pub(super) special: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
}

impl AddedToken<'_> {
    /// A way of matching that this engine's tokenizer does not have.
    pub(super) fn unsupported(&self, family: Family) -> Option<String> {
        let normalized = self.normalized && !self.special && matches!(family, Family::SentencePiece { .. });
        let flags = [
            (self.single_word, "single_word"),
            (self.lstrip, "lstrip"),
            (self.rstrip, "rstrip"),
            (normalized, "normalized"),
        ];
        let (_, flag) = flags.into_iter().find(|(set, _)| *set)?;
        let text = shown(&self.content);
        Some(format!("its added token {text} is {flag}; supported are tokens that are matched as they are written"))
    }
}

#[derive(Deserialize)]
pub(super) struct Model<'f> {
    r#type: Option<String>,
    #[serde(borrow)]
    pub(super) vocab: Vocab<'f>,
    #[serde(borrow)]
    pub(super) merges: Merges<'f>,
    pub(super) unk_token: Option<String>,
    pub(super) byte_fallback: Option<bool>,
    pub(super) ignore_merges: Option<bool>,
    fuse_unk: Option<bool>,
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
}

impl Model<'_> {
    /// A way of merging that this engine's tokenizer does not have.
    pub(super) fn unsupported(&self, family: Family) -> Option<String> {
        // The oldest files do not name it.
        if let Some(kind) = self.r#type.as_ref().filter(|kind| *kind != "BPE") {
            return Some(format!("its model is {}; supported is \"BPE\"", shown(kind)));
        }
        if let Some(dropout) = self.dropout.filter(|dropout| *dropout != 0.0) {
            return Some(format!("its merges drop out with probability {dropout}; supported is none"));
        }
        for (text, key) in [
            (&self.continuing_subword_prefix, "continuing_subword_prefix"),
            (&self.end_of_word_suffix, "end_of_word_suffix"),
        ] {
            if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
                return Some(format!("its {key} is {}; supported is none", shown(text)));
            }
        }
        if matches!(family, Family::ByteLevel { .. }) {
            return None;
        }
        if self.ignore_merges == Some(true) {
            return Some("it ignores merges (ignore_merges), which is supported with ByteLevel alone".to_owned());
        }
        if self.unk_token.is_some() && self.fuse_unk != Some(true) {
            return Some("it keeps unknown characters apart (fuse_unk); supported is one token for a run".to_owned());
        }
        None
    }
}

/// Texts and ids in the file's order.
pub(super) struct Vocab<'f>(pub(super) Vec<(Cow<'f, str>, u32)>);

/// Pairs in order of rank, each "left right", which a file may also write as `["left", "right"]`.
pub(super) struct Merges<'f>(pub(super) Vec<Cow<'f, str>>);

/// A pair.
struct Merge<'f>(Cow<'f, str>);

/// A text, borrowed from the file where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'f>(#[serde(borrow)] Cow<'f, str>);

/// Types that are their own visitors: an empty one is filled.
macro_rules! filled {
    ($($name:ident by $method:ident),*) => {
        $(impl<'de: 'f, 'f> Deserialize<'de> for $name<'f> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.$method(Self(Default::default()))
            }
        })*
    };
}

filled!(Vocab by deserialize_map, Merges by deserialize_seq, Merge by deserialize_any);

impl<'de: 'f, 'f> Visitor<'de> for Vocab<'f> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("tokens with their ids")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((Text(text), id)) = map.next_entry()? {
            push(&mut self.0, (text, id), MAX_TOKENS, "tokens")?;
        }
        Ok(self)
    }
}

impl<'de: 'f, 'f> Visitor<'de> for Merges<'f> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of merges")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while let Some(Merge(merge)) = list.next_element()? {
            if !is_merge(&merge) {
                let (rank, merge) = (self.0.len(), shown(&merge));
                let expected = "expected two tokens with one space between";
                return Err(A::Error::custom(format!("merge {rank} is {merge}; {expected}")));
            }
            push(&mut self.0, merge, MAX_MERGES, "merges")?;
        }
        Ok(self)
    }
}

impl<'de: 'f, 'f> Visitor<'de> for Merge<'f> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a merge of two tokens")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self, E> {
        Ok(Self(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self, E> {
        Ok(Self(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Self, A::Error> {
        let left: Option<Text<'f>> = pair.next_element()?;
        let right: Option<Text<'f>> = pair.next_element()?;
        let (Some(left), Some(right)) = (left, right) else { return Err(A::Error::invalid_length(1, &self)) };
        if pair.next_element::<Text<'f>>()?.is_some() {
            return Err(A::Error::invalid_length(3, &self));
        }
        Ok(Self(Cow::Owned(format!("{} {}", left.0, right.0))))
    }
}

/// Adds an element to a list that may have at most `most`.
fn push<T, E: Error>(list: &mut Vec<T>, one: T, most: usize, what: &str) -> Result<(), E> {
    if list.len() == most {
        return Err(E::custom(format!("more than {most} {what}")));
    }
    list.push(one);
    Ok(())
}
