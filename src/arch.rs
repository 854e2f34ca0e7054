//! Model architectures as data: the numbers that fix a model, the tensors that models have, and families of models with
//! their names and tensors.

pub mod family;
pub mod shape;
pub mod tensors;
