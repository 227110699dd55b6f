//! Windows over time with bounded memory: sums in buckets, and rings of samples.

use kt_model::Nanos;
use serde::{Deserialize, Serialize};

/// Buckets that a window is divided into.
pub const BUCKETS: usize = 60;

/// Sums of `N` quantities over the last window of time, kept in [`BUCKETS`] buckets of equal width: the
/// bucket under way and the 59 before it. What leaves is forgotten whole, so no rounding error stays behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Buckets<const N: usize> {
    width: i64,
    sums: Vec<[f64; 2]>,
    /// Number of the bucket under way since the epoch; `i64::MIN` before anything was added.
    current: i64,
}

impl<const N: usize> Buckets<N> {
    const FITS: () = assert!(N <= 2, "a bucket holds two sums");

    /// For a window of so many nanoseconds.
    #[must_use]
    pub fn new(window: i64) -> Self {
        let () = Self::FITS;
        Self { width: (window / BUCKETS as i64).max(1), sums: vec![[0.0; 2]; BUCKETS], current: i64::MIN }
    }

    /// Moves on to `now`: buckets that left the window are emptied.
    pub fn advance(&mut self, now: Nanos) {
        let bucket = now.0.div_euclid(self.width);
        if self.current == i64::MIN || bucket.saturating_sub(self.current) >= BUCKETS as i64 {
            self.sums.iter_mut().for_each(|sum| *sum = [0.0; 2]);
            self.current = self.current.max(bucket);
        }
        while self.current < bucket {
            self.current += 1;
            let at = self.place();
            self.sums[at] = [0.0; 2];
        }
    }

    /// Adds to the bucket of `now`.
    pub fn add(&mut self, now: Nanos, values: [f64; N]) {
        self.advance(now);
        let at = self.place();
        for (sum, value) in self.sums[at].iter_mut().zip(values) {
            *sum += value;
        }
    }

    /// The sums over the window, oldest bucket first.
    #[must_use]
    pub fn totals(&self) -> [f64; N] {
        let mut totals = [0.0; N];
        let newest = self.place();
        for offset in 1..=BUCKETS {
            let sums = &self.sums[(newest + offset) % BUCKETS];
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += sum;
            }
        }
        totals
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.sums.iter_mut().for_each(|sum| *sum = [0.0; 2]);
        self.current = i64::MIN;
    }

    fn place(&self) -> usize {
        self.current.rem_euclid(BUCKETS as i64) as usize
    }
}

/// The last samples, oldest first; room for `capacity` is taken once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ring {
    values: Vec<(i64, f64)>,
    start: usize,
    length: usize,
}

impl Ring {
    /// Room for so many samples, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { values: vec![(0, 0.0); capacity.max(1)], start: 0, length: 0 }
    }

    /// Adds a sample; the oldest gives way when the ring is full.
    pub fn push(&mut self, at: Nanos, value: f64) {
        let capacity = self.values.len();
        if self.length == capacity {
            self.start = (self.start + 1) % capacity;
            self.length -= 1;
        }
        let end = (self.start + self.length) % capacity;
        self.values[end] = (at.0, value);
        self.length += 1;
    }

    /// Forgets samples of `oldest` and before.
    pub fn expire(&mut self, oldest: Nanos) {
        while self.length > 0 && self.values[self.start].0 <= oldest.0 {
            self.start = (self.start + 1) % self.values.len();
            self.length -= 1;
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// How many samples it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether it holds as many as it can.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.length == self.values.len()
    }

    /// The samples, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = f64> + Clone + '_ {
        (0..self.length).map(|offset| self.values[(self.start + offset) % self.values.len()].1)
    }

    /// The newest sample.
    #[must_use]
    pub fn newest(&self) -> Option<f64> {
        self.length.checked_sub(1).map(|last| self.values[(self.start + last) % self.values.len()].1)
    }
}
