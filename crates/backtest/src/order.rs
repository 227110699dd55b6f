//! How the order of receipt, by which the warehouse is replayed, differs from the order in which a live
//! service took the same events in.

use std::collections::BTreeMap;

use kt_model::Nanos;
use kt_signals::Input;

use crate::manifest::OrderDifference;

/// Watches a journal's inputs in their order and counts those that the warehouse would put elsewhere.
#[derive(Debug, Default)]
pub struct OrderWatch {
    newest: Nanos,
    newest_by_writer: BTreeMap<String, Nanos>,
    difference: OrderDifference,
}

impl OrderWatch {
    /// Looks at the next input.
    pub fn observe(&mut self, input: &Input<'_>) {
        let Input::Event { position, event } = input else { return };
        let received = event.header().recv_ts;
        let difference = &mut self.difference;
        difference.events += 1;
        let own = match self.newest_by_writer.get_mut(position.writer) {
            Some(newest) => newest,
            None => self.newest_by_writer.entry(position.writer.to_owned()).or_default(),
        };
        if received < self.newest {
            difference.overtaken += 1;
            difference.largest = difference.largest.max(self.newest.0 - received.0);
            let side = if received < *own { &mut difference.within_writer } else { &mut difference.between_writers };
            *side += 1;
        }
        self.newest = self.newest.max(received);
        *own = (*own).max(received);
    }

    /// What was counted.
    #[must_use]
    pub fn difference(self) -> OrderDifference {
        self.difference
    }
}
