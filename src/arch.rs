//! Model architectures as data: the numbers that fix a model, the tensors it has, and what a family of models is
//! called.

pub mod family;
pub mod shape;
pub mod tensors;
