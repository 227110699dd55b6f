//! How the order of receipt, by which the warehouse is replayed, differs from the order in which a live
//! service took the same events in.

use std::path::Path;

use kt_journal::replay;
use kt_model::Nanos;
use kt_signals::Input;

use crate::error::BacktestError;
use crate::manifest::OrderDifference;

/// Watches a journal's inputs in their order and counts those that the warehouse would put elsewhere.
#[derive(Debug, Default)]
pub struct OrderWatch {
    newest: Nanos,
    /// Few writers: looked through in order.
    newest_by_writer: Vec<(Box<str>, Nanos)>,
    difference: OrderDifference,
}

impl OrderWatch {
    /// Looks at the next input.
    #[inline]
    pub fn observe(&mut self, input: &Input<'_>) {
        let Input::Event { position, event } = input else { return };
        let received = event.header().recv_ts;
        let difference = &mut self.difference;
        difference.events += 1;
        let own = match self.newest_by_writer.iter().position(|(writer, _)| **writer == *position.writer) {
            Some(place) => place,
            None => {
                self.newest_by_writer.push((position.writer.into(), Nanos::default()));
                self.newest_by_writer.len() - 1
            }
        };
        let own = &mut self.newest_by_writer[own].1;
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

/// How the order of receipt differs from that of a journal, for the events received within `[from, to)` that the
/// journal's tapes still hold; `None` where they hold none.
///
/// # Errors
/// A journal that is damaged.
pub fn difference_from(journal: &Path, from: Nanos, to: Nanos) -> Result<Option<OrderDifference>, BacktestError> {
    let mut watch = OrderWatch::default();
    for epoch in replay::epochs(journal)? {
        let folder = journal.join(epoch.to_string());
        let extent = replay::extent(&folder)?;
        if extent.last == 0 {
            continue;
        }
        replay::replay(&folder, extent.first, |_, input| {
            if input.at().is_some_and(|at| at >= from && at < to) {
                watch.observe(input);
            }
        })?;
    }
    let difference = watch.difference();
    Ok((difference.events > 0).then_some(difference))
}
