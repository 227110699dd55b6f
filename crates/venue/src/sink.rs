//! Where decoded events go.

use crate::levels::BookView;
use kt_model::Event;

/// Receives events in order. Every closure `FnMut(&Event<'_>)` is one.
pub trait Sink {
    /// One event; borrowed from the frame and the session, valid during the call.
    fn event(&mut self, event: &Event<'_>);

    /// The whole book after a snapshot or delta was applied to it.
    fn book(&mut self, _book: &BookView<'_>) {}
}

impl<F: FnMut(&Event<'_>)> Sink for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}
