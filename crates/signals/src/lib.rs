//! Features and signals over market events: pure and deterministic.
//!
//! No I/O, no clock, no randomness: everything enters as an [`Input`], and what comes out depends on the
//! inputs and their order alone. [`Engine::on_input`] consumes one input and hands each signal that
//! changed to a [`Sink`].
#![forbid(unsafe_code)]

mod engine;
pub mod input;
mod output;

pub use engine::{Engine, Sink};
pub use input::{Input, InputClock, Position};
pub use output::{Output, Validity};
