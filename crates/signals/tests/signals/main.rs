//! The signal engine: bad inputs, determinism, and an independent implementation on recorded frames.

mod allocation;
mod determinism;
mod market;
mod recordings;
mod reference_page;
mod rules;
