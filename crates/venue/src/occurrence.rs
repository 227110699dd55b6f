//! Telling apart equal rows of channels without identity.

use crate::counters::Counters;
use kt_model::{Header, IdentityClass, Nanos};

/// More rows than this of one exchange time are numbered on without being compared.
const MOST_ROWS: usize = 256;

/// Content hashes of the rows seen at the latest exchange time of a channel and instrument.
#[derive(Debug, Default)]
pub(crate) struct Occurrences {
    at: Option<Nanos>,
    seen: Vec<u64>,
}

impl Occurrences {
    /// How many equal rows came before at the same exchange time: 0 unless the channel is weak.
    #[inline]
    pub(crate) fn number(
        &mut self,
        header: &Header<'_>,
        content: impl FnOnce() -> u64,
        counters: &mut Counters,
    ) -> u32 {
        if header.identity != IdentityClass::Weak {
            return 0;
        }
        if self.at != Some(header.event_ts) {
            self.at = Some(header.event_ts);
            self.seen.clear();
        }
        let content = content();
        let before = self.seen.iter().filter(|hash| **hash == content).count() as u32;
        if self.seen.len() < MOST_ROWS {
            self.seen.push(content);
        } else {
            counters.occurrences_saturated += 1;
        }
        before
    }
}

/// Mixes a value into a hash (FNV-1a over 64-bit words).
#[inline]
pub(crate) fn mix(hash: u64, value: i128) -> u64 {
    let folded = (value as u64) ^ ((value >> 64) as u64);
    (hash ^ folded).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}
