//! Features and signals over market events: pure and deterministic.
//!
//! No I/O, no clock, no randomness: everything enters as an [`Input`], and what comes out depends on the
//! inputs and their order alone. [`Engine::on_input`] consumes one input and hands each signal that
//! changed to a [`Sink`].
#![forbid(unsafe_code)]

pub mod book;
pub mod definition;
mod engine;
mod error;
mod feature;
pub mod formula;
pub mod input;
mod instance;
pub mod market;
pub mod number;
mod output;
pub mod reference;
pub mod window;

pub use definition::Definition;
pub use engine::{Engine, Sink};
pub use error::SignalError;
pub use feature::{Description, Feature};
pub use input::{Input, InputClock, Position};
pub use output::{Computed, Output, Reason};
