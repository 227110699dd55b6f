//! The engine: inputs in, signals out.

use kt_model::Nanos;

use crate::input::{Input, InputClock};
use crate::output::Output;

/// Takes what the engine emits.
pub trait Sink {
    /// One signal's new state. Borrowed for the call only; outputs come in a fixed order for each input.
    fn signal(&mut self, output: &Output<'_>);
}

impl<F: FnMut(&Output<'_>)> Sink for F {
    fn signal(&mut self, output: &Output<'_>) {
        self(output);
    }
}

/// All declared signals and their state.
#[derive(Debug, Default)]
pub struct Engine {
    clock: InputClock,
    inputs: u64,
}

impl Engine {
    /// Consumes one input; what changed goes to `sink`.
    pub fn on_input(&mut self, input: &Input<'_>, _sink: &mut impl Sink) {
        self.inputs += 1;
        self.clock.observe(input);
    }

    /// How many inputs it has consumed.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// The time of the newest input.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }
}
