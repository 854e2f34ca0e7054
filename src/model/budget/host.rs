//! The bytes that a model takes on the host, in addition to those on the device.

use super::{BudgetEntry, MAX_RUNNING, MemoryClass};
use crate::arch::tensors::Role;
use crate::format::{FIRST_READ_BYTES, MergeOrder, ModelTensors, Tensor, Vocabulary, VocabularyKind};
use crate::model::loader::{Slice, UNFLUSHED_BYTES};
use crate::plan::llama::PREFILL_ROWS;
use crate::weights::Matrices;
use crate::weights::pack::{BLOCK, ROW_ALIGN};

/// Bytes of a small text besides its characters: what an allocator adds, and the text's length and address.
const TEXT_BYTES: u64 = 48;

/// Bytes of a tokenizer per token and per merge, its texts aside: where each text ends, tables of ids by text and of
/// ranks by pair, which may be twice as long as what is in them, and a score per token.
const TOKEN_BYTES: u64 = 40;
const MERGE_BYTES: u64 = 24;
/// Bytes of a tokenizer that do not depend on its vocabulary: above all the compiled patterns that cut words, with
/// Unicode's tables. The largest pattern takes 1.7 MB.
const FIXED_BYTES: u64 = 2 << 20;
/// Copies of the texts that a tokenizer holds: as they are spelled, and as they print.
const TEXTS: u64 = 2;

/// Upper bounds of the bytes that loading and keeping a model takes on the host. Where a library decides, the bound is
/// above the bytes that it was measured to take. The weights are not among them: they go from the file to the device in
/// slices. Nor is an embedding that stays in its file: the
/// system holds the pages that were read, as long as it has memory for them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HostBudget {
    entries: Vec<BudgetEntry>,
}

impl HostBudget {
    /// The bytes of a checkpoint with these tensors and this vocabulary, packed as these matrices.
    pub fn new(tensors: &ModelTensors, matrices: &Matrices, vocabulary: Option<&Vocabulary>) -> Self {
        let entry = |name: &str, kind, bytes| BudgetEntry { name: name.to_owned(), kind, bytes };
        // The header ends where the first tensor begins. A header that is longer than the first read is copied as it
        // grows, and then both copies exist for a moment.
        let header = tensors.start();
        let header = if header <= FIRST_READ_BYTES { FIRST_READ_BYTES } else { 3 * header };
        let mut entries = vec![entry("header, while it is read", MemoryClass::Host, header)];
        if let Some(vocabulary) = vocabulary {
            entries.push(entry("vocabulary, while it is read", MemoryClass::Host, vocabulary_bytes(vocabulary)));
            entries.push(entry("tokenizer", MemoryClass::Host, tokenizer_bytes(vocabulary)));
        }
        let slices = || matrices.iter().flat_map(|matrix| matrix.shards.iter().map(move |shard| (matrix, shard)));
        let read = slices().map(|(matrix, shard)| Slice::of(matrix, shard, tensors).read_bytes()).max().unwrap_or(0);
        let packed =
            slices().map(|(matrix, shard)| Slice::of(matrix, shard, tensors).packed_bytes(shard)).max().unwrap_or(0);
        let on_host = matrices.embedding.is_none().then(|| &tensors[Role::TokenEmbd.of_model()]);
        let read = on_host.map_or(0, |tensor| Slice::of_tensor(tensor).read_bytes()).max(read);
        entries.push(entry("slice of the file, where it is not mapped", MemoryClass::Host, read));
        entries.push(entry("packed slice", MemoryClass::Host, packed));
        entries.push(entry("upload", MemoryClass::Staging, UNFLUSHED_BYTES as u64 + packed));
        if let Some(tensor) = on_host {
            let [made, sent] = rows_bytes(tensor);
            entries.push(entry("rows of the embedding", MemoryClass::Host, made));
            entries.push(entry("rows of the embedding, for the device", MemoryClass::Staging, sent));
        }
        Self { entries }
    }

    /// Every piece of memory.
    pub fn entries(&self) -> &[BudgetEntry] {
        &self.entries
    }

    /// The sum in bytes, as if all pieces existed at once.
    pub fn total(&self) -> u64 {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }
}

/// Bytes of the rows of an embedding that the host decodes for a run, and of those that wait for the device.
fn rows_bytes(tensor: &Tensor) -> [u64; 2] {
    let numbers = PREFILL_ROWS.next_multiple_of(ROW_ALIGN) * tensor.cols.next_multiple_of(BLOCK);
    // As they were read, put together or quantized, and packed, which takes at most four bytes per number; then as f32.
    let read = PREFILL_ROWS * (2 * tensor.row_bytes() + TEXT_BYTES as usize);
    [(read + 2 * 4 * numbers) as u64, ((MAX_RUNNING + 1) * 4 * numbers) as u64]
}

/// Bytes of the texts of the merges, and how many merges there are.
fn merges(vocabulary: &Vocabulary) -> (u64, u64) {
    match &vocabulary.kind {
        VocabularyKind::ByteLevelBpe { merges, .. } => {
            (merges.iter().map(|merge| merge.len() as u64).sum(), merges.len() as u64)
        }
        VocabularyKind::SentencePiece { order: MergeOrder::Ranks(pairs) } => (0, pairs.len() as u64),
        VocabularyKind::SentencePiece { order: MergeOrder::Scores(_) } => (0, 0),
    }
}

/// Bytes of the texts of the tokens.
fn text_bytes(vocabulary: &Vocabulary) -> u64 {
    vocabulary.tokens.iter().map(|token| token.len() as u64).sum()
}

/// Bytes of a vocabulary: texts, and a type and a score per token.
fn vocabulary_bytes(vocabulary: &Vocabulary) -> u64 {
    let (merge_bytes, merges) = merges(vocabulary);
    let tokens = vocabulary.tokens.len() as u64;
    text_bytes(vocabulary) + merge_bytes + TEXT_BYTES * (tokens + merges) + 16 * tokens
}

/// Bytes of the tokenizer of a vocabulary.
fn tokenizer_bytes(vocabulary: &Vocabulary) -> u64 {
    let (_, merges) = merges(vocabulary);
    let tokens = vocabulary.tokens.len() as u64;
    TEXTS * text_bytes(vocabulary) + TOKEN_BYTES * tokens + MERGE_BYTES * merges + FIXED_BYTES
}
