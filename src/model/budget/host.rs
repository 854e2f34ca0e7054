//! What a model takes on the host beside the device's bytes.

use super::{Item, Use};
use crate::format::{MergeOrder, ModelTensors, Vocabulary, VocabularyKind};
use crate::weights::pack::{Layout, ROW_ALIGN};
use crate::weights::{Matrices, Matrix, Part};

/// Bytes that may wait in the driver's staging memory, beside a slice.
pub(crate) const UNFLUSHED_BYTES: usize = 8 << 20;

/// Bytes of a file that are read at first.
const FIRST_READ_BYTES: u64 = 1 << 20;

/// What an allocator adds to a small text, and the text's own length and place.
const TEXT_BYTES: u64 = 48;

/// Bytes of a tokenizer per token and per merge, its texts aside: where each text ends, tables of ids by text and of ranks
/// by pair, which may be twice as long as what is in them, and a score per token.
const TOKEN_BYTES: u64 = 40;
const MERGE_BYTES: u64 = 24;
/// What a tokenizer takes whatever it holds: above all the compiled patterns that cut words, with Unicode's tables. The largest
/// are a single one of 1.7 MB.
const FIXED_BYTES: u64 = 2 << 20;
/// How often it holds the texts: as they are spelled, and as they print.
const TEXTS: u64 = 2;

/// Bytes that loading and keeping a model take on the host, upper bounds all of them: where a library decides, what it was
/// measured to take, and more. The weights are not among them: they go from the file to the device in slices.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Host {
    items: Vec<Item>,
}

impl Host {
    /// The bytes for a checkpoint with these tensors, whose texts the vocabulary cuts.
    pub fn new(tensors: &ModelTensors, matrices: &Matrices, vocabulary: Option<&Vocabulary>) -> Self {
        let item = |name: &str, kind, bytes| Item { name: name.to_owned(), kind, bytes };
        // The header ends where the first tensor begins. It is read again where it was longer than thought, and then
        // both copies exist for a moment.
        let header = tensors.token_embd.bytes.start.min(tensors.output_norm.bytes.start);
        let header = tensors.layers.iter().fold(header, |first, layer| first.min(layer.attn_norm.bytes.start));
        let header = if header <= FIRST_READ_BYTES { FIRST_READ_BYTES } else { 3 * header };
        let mut items = vec![item("header, while it is read", Use::Host, header)];
        if let Some(vocabulary) = vocabulary {
            items.push(item("vocabulary, while it is read", Use::Host, vocabulary_bytes(vocabulary)));
            items.push(item("tokenizer", Use::Host, tokenizer_bytes(vocabulary)));
        }
        let slices = || matrices.iter().flat_map(|matrix| matrix.parts.iter().map(move |part| (matrix, part)));
        let read = slices().map(|(matrix, part)| Slice::of(matrix, part, tensors).read_bytes()).max().unwrap_or(0);
        let packed =
            slices().map(|(matrix, part)| Slice::of(matrix, part, tensors).packed_bytes(part)).max().unwrap_or(0);
        items.push(item("slice of the file, where it is not mapped", Use::Host, read));
        items.push(item("packed slice", Use::Host, packed));
        items.push(item("upload", Use::Staging, UNFLUSHED_BYTES as u64 + packed));
        Self { items }
    }

    /// What takes them, and how much.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// All of it, as if it were there at once.
    pub fn total(&self) -> u64 {
        self.items.iter().map(|item| item.bytes).sum()
    }
}

/// Letters of the merges, and how many there are.
fn merges(vocabulary: &Vocabulary) -> (u64, u64) {
    match &vocabulary.kind {
        VocabularyKind::ByteLevelBpe { merges, .. } => {
            (merges.iter().map(|merge| merge.len() as u64).sum(), merges.len() as u64)
        }
        VocabularyKind::SentencePiece { order: MergeOrder::Ranks(pairs) } => (0, pairs.len() as u64),
        VocabularyKind::SentencePiece { order: MergeOrder::Scores(_) } => (0, 0),
    }
}

fn letters(vocabulary: &Vocabulary) -> u64 {
    vocabulary.tokens.iter().map(|token| token.len() as u64).sum()
}

/// Texts, and a type and a score per token.
fn vocabulary_bytes(vocabulary: &Vocabulary) -> u64 {
    let (merge_letters, merges) = merges(vocabulary);
    let tokens = vocabulary.tokens.len() as u64;
    letters(vocabulary) + merge_letters + TEXT_BYTES * (tokens + merges) + 16 * tokens
}

fn tokenizer_bytes(vocabulary: &Vocabulary) -> u64 {
    let (_, merges) = merges(vocabulary);
    let tokens = vocabulary.tokens.len() as u64;
    TEXTS * letters(vocabulary) + TOKEN_BYTES * tokens + MERGE_BYTES * merges + FIXED_BYTES
}

/// The rows of a part that are read, packed and uploaded at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    /// Rows, a multiple of what a layout aligns to.
    pub rows: usize,
    /// Bytes of a row in the file.
    pub row_bytes: usize,
}

impl Slice {
    /// Bytes of file that are packed at a time, if a row is not longer.
    const BYTES: usize = 4 << 20;

    pub fn of(matrix: &Matrix, part: &Part, tensors: &ModelTensors) -> Self {
        let (id, _) = matrix.source(part.row_begin);
        let tensor = id.find(tensors);
        let row_bytes = tensor.encoding.row_bytes(tensor.cols);
        let rows = (Self::BYTES / row_bytes / ROW_ALIGN).max(1) * ROW_ALIGN;
        Self { rows, row_bytes }
    }

    fn read_bytes(self) -> u64 {
        (self.rows * self.row_bytes) as u64
    }

    /// As packed, with the lists of where each row comes from.
    fn packed_bytes(self, part: &Part) -> u64 {
        let rows = self.rows.min(part.layout.rows);
        let words = Layout { rows, ..part.layout }.words();
        (words * 4 + rows * 64) as u64
    }
}
