//! Which recorded REST response answers a request.

use super::recording::{Recording, Snapshot};
use super::reference::Reference;
use crate::query::Target;

impl Recording {
    /// The recorded order-book snapshot for a request: the same path and instrument, or, where
    /// the recorder noted no URL, the same instrument under any path ending in `depth`.
    pub fn snapshot(&self, asked: &Target) -> Option<(usize, &Snapshot)> {
        let fits = |snapshot: &Snapshot| match &snapshot.target {
            None => asked.last_segment() == "depth" && same(asked.symbol(), snapshot.symbol.as_deref()),
            Some(recorded) if recorded.symbol().is_some() => {
                recorded.last_segment() == asked.last_segment() && same(asked.symbol(), recorded.symbol())
            }
            Some(recorded) => recorded.path == asked.path,
        };
        self.snapshots.iter().enumerate().find(|(_, snapshot)| fits(snapshot))
    }

    /// The recorded instrument list for a request: the first file that holds the path (or its
    /// last segment, for another version of the API), and in it the response whose parameters
    /// agree best and contradict none.
    pub fn reference(&self, asked: &Target) -> Option<&Reference> {
        let exact = |recorded: &Target| recorded.path == asked.path;
        let alike = |recorded: &Target| recorded.last_segment() == asked.last_segment();
        self.best_reference(asked, exact).or_else(|| self.best_reference(asked, alike))
    }

    fn best_reference(&self, asked: &Target, fits: impl Fn(&Target) -> bool) -> Option<&Reference> {
        let candidates = || self.references.iter().filter(|known| fits(&known.target));
        let agreement = |known: &Reference| agreement(&known.target, asked);
        let label = &candidates().find(|known| agreement(known).is_some())?.label;
        // Of equals the first: max_by_key would take the last.
        candidates().filter(|known| known.label == *label).rev().max_by_key(|known| agreement(known))
    }
}

/// How many parameters agree; `None` if one contradicts. Paging sizes contradict nothing.
fn agreement(recorded: &Target, asked: &Target) -> Option<usize> {
    let mut agreeing = 0;
    for (name, value) in &asked.query {
        match recorded.get(name) {
            Some(known) if known.eq_ignore_ascii_case(value) => agreeing += 1,
            Some(_) if name != "limit" => return None,
            // A further page was never recorded; the first one again would never end.
            None if name == "cursor" && !value.is_empty() => return None,
            _ => {}
        }
    }
    Some(agreeing)
}

fn same(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    }
}
