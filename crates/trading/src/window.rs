//! Mean and deviation over the last samples.

/// A ring of samples. Recomputed from its content at each reading, so that no rounding adds up over days.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    samples: Vec<f64>,
    next: usize,
    length: usize,
}

impl Window {
    pub fn new(length: usize) -> Self {
        Self { samples: Vec::with_capacity(length), next: 0, length }
    }

    pub fn push(&mut self, value: f64) {
        if self.samples.len() < self.length {
            self.samples.push(value);
        } else {
            self.samples[self.next] = value;
        }
        self.next = (self.next + 1) % self.length;
    }

    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Mean and sample standard deviation; `None` with fewer than two samples or no deviation.
    pub fn mean_and_deviation(&self) -> Option<(f64, f64)> {
        kt_signals::formula::mean_and_deviation(self.samples.iter().copied())
    }
}
