//! Thin faces of the library for other languages. No logic lives here.

pub mod web;
