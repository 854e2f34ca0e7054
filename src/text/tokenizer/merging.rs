//! The merging of BPE, for both families: of all adjacent pairs that may merge, the best one merges first, and of
//! equals the leftmost, until none is left.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A stretch of the text, linked to its neighbours. An empty one was merged into the one on its left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    pub(super) start: usize,
    pub(super) len: usize,
    /// The token with exactly this text, if there is one.
    pub(super) id: Option<u32>,
    previous: Option<usize>,
    next: Option<usize>,
}

/// The token that two neighbours merge into; a higher score merges earlier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined {
    pub(super) id: u32,
    pub(super) score: f32,
}

/// Two neighbours that may merge. It is stale once either has changed, and then `len` is no longer the sum of both.
struct Merge {
    joined: Joined,
    left: usize,
    right: usize,
    len: usize,
}

impl Ord for Merge {
    fn cmp(&self, other: &Self) -> Ordering {
        self.joined.score.total_cmp(&other.joined.score).then(Reverse(self.left).cmp(&Reverse(other.left)))
    }
}

impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merge {}

/// Merges the characters of a text, and gives the symbols that are left, in order. `find` gives the token of a
/// character. `join` is asked about two neighbours with their joined text, and gives the token that they merge into, if
/// any.
pub(super) fn merge<'t>(
    text: &'t str,
    find: impl Fn(&str) -> Option<u32>,
    mut join: impl FnMut(Symbol, Symbol, &'t str) -> Option<Joined>,
) -> impl Iterator<Item = Symbol> {
    let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
    for (start, character) in text.char_indices() {
        let index = symbols.len();
        if let Some(before) = symbols.last_mut() {
            before.next = Some(index);
        }
        let len = character.len_utf8();
        let id = find(&text[start..start + len]);
        symbols.push(Symbol { start, len, id, previous: index.checked_sub(1), next: None });
    }
    let mut queue = BinaryHeap::new();
    let mut offer = |symbols: &[Symbol], queue: &mut BinaryHeap<Merge>, left: usize, right: usize| {
        let (first, second) = (symbols[left], symbols[right]);
        let len = first.len + second.len;
        if let Some(joined) = join(first, second, &text[first.start..first.start + len]) {
            queue.push(Merge { joined, left, right, len });
        }
    };
    for right in 1..symbols.len() {
        offer(&symbols, &mut queue, right - 1, right);
    }
    while let Some(merge) = queue.pop() {
        let (left, right) = (symbols[merge.left], symbols[merge.right]);
        if left.len == 0 || right.len == 0 || left.len + right.len != merge.len {
            continue;
        }
        symbols[merge.left] = Symbol { len: merge.len, id: Some(merge.joined.id), next: right.next, ..left };
        symbols[merge.right].len = 0;
        if let Some(next) = right.next {
            symbols[next].previous = Some(merge.left);
            offer(&symbols, &mut queue, merge.left, next);
        }
        if let Some(previous) = left.previous {
            offer(&symbols, &mut queue, previous, merge.left);
        }
    }
    symbols.into_iter().filter(|symbol| symbol.len > 0)
}

/// Pairs of tokens in order of rank, the first the best.
#[derive(Debug)]
pub(super) struct Ranks {
    /// By rank: the left token, the right token, and the token that they merge into.
    merges: Vec<[u32; 3]>,
    by_pair: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Ranks {
    /// Pairs with the tokens that they merge into, the best first. Of a pair that appears twice the last rank counts,
    /// as in the `tokenizers` crate.
    pub(super) fn new(merges: Vec<[u32; 3]>) -> Self {
        let hasher = DefaultHashBuilder::default();
        let mut by_pair = HashTable::with_capacity(merges.len());
        for (rank, [left, right, _]) in merges.iter().enumerate() {
            let same = |rank: &u32| merges[*rank as usize][..2] == [*left, *right];
            let hash = |rank: &u32| hasher.hash_one(&merges[*rank as usize][..2]);
            by_pair
                .entry(hasher.hash_one(&[*left, *right][..]), same, hash)
                .and_modify(|known| *known = rank as u32)
                .or_insert(rank as u32);
        }
        Self { merges, by_pair, hasher }
    }

    /// The token that two neighbours merge into, where both are tokens and their pair has a rank.
    pub(super) fn join(&self, left: Symbol, right: Symbol) -> Option<Joined> {
        let pair = [left.id?, right.id?];
        let same = |rank: &u32| self.merges[*rank as usize][..2] == pair;
        let rank = *self.by_pair.find(self.hasher.hash_one(&pair[..]), same)?;
        // An f32 holds ranks up to 2^24 exactly, and parsers stop at 2^22.
        Some(Joined { id: self.merges[rank as usize][2], score: -(rank as f32) })
    }
}
