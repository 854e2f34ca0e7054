//! Bindings: thin faces of the library for other languages, without logic of their own.

pub mod web;
