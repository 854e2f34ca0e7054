//! What a Llama is made of, as data: its numbers, its tensors, and the names that files give them.

pub mod shape;
