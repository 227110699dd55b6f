//! The last known values of a channel that sends only what changed.

use crate::program::Found;

/// Texts of one instrument's row slots. The buffers are reused, so a warmed-up state allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    values: Vec<Option<Vec<u8>>>,
    spare: Vec<Vec<u8>>,
    /// Whether a full frame has been seen since the connection opened.
    pub(crate) is_whole: bool,
}

impl Merged {
    #[inline]
    pub(crate) fn get(&self, slot: usize) -> Option<&[u8]> {
        self.values.get(slot).and_then(Option::as_deref)
    }

    /// Forgets everything: a full frame follows, or the connection ended.
    pub(crate) fn clear(&mut self) {
        self.spare.extend(self.values.iter_mut().filter_map(Option::take));
        self.is_whole = false;
    }

    /// Takes over what the row has.
    pub(crate) fn take_in(&mut self, bytes: &[u8], found: &Found, row: usize) {
        let spans = found.row(row);
        if self.values.len() < spans.len() {
            self.values.resize_with(spans.len(), || None);
        }
        for (value, span) in self.values.iter_mut().zip(spans) {
            if span.is_absent() {
                continue;
            }
            let buffer = value.get_or_insert_with(|| self.spare.pop().unwrap_or_default());
            buffer.clear();
            buffer.extend_from_slice(span.of(bytes));
        }
    }
}
