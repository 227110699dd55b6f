//! A histogram of durations that one thread fills and another reads, without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Buckets a power of two is divided into: an error of at most 6 %.
const PARTS: u64 = 8;
/// From 1 µs in 24 powers of two, to 17 s.
const BUCKETS: usize = 24 * PARTS as usize + 1;

/// Durations by logarithmic bucket. Clones share one state.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self(Arc::new(Cells { buckets: std::array::from_fn(|_| AtomicU64::new(0)), sum: AtomicU64::new(0) }))
    }
}

fn bucket_of(nanos: i64) -> usize {
    let micros = (nanos.max(0) as u64) / 1000;
    let shifted = micros.max(1);
    let power = u64::from(shifted.ilog2());
    let part = if power >= 3 { (shifted >> (power - 3)) & 7 } else { (shifted << (3 - power)) & 7 };
    ((power * PARTS + part) as usize).min(BUCKETS - 1)
}

/// Upper bound of a bucket, in seconds.
fn bound(bucket: usize) -> f64 {
    let (power, part) = (bucket as u64 / PARTS, bucket as u64 % PARTS);
    (1u64 << power) as f64 * (1.0 + (part + 1) as f64 / PARTS as f64) * 1e-6
}

impl Histogram {
    /// Counts `times` events that took `nanos`.
    #[inline]
    pub fn observe(&self, nanos: i64, times: u64) {
        self.0.buckets[bucket_of(nanos)].fetch_add(times, Ordering::Relaxed);
        self.0.sum.fetch_add(nanos.max(0) as u64 * times, Ordering::Relaxed);
    }

    /// Duration in seconds that a share of the events (0 to 1) did not exceed; `None` without events.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let counts: Vec<u64> = self.0.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let wanted = (share * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.filter(|_| total > 0).map(bound)
    }

    fn encode_into(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        // One bucket a power of two is enough for a time series.
        let counts = self.0.buckets.chunks(PARTS as usize).map(|part| part.iter().map(load).sum::<u64>());
        let mut buckets: Vec<(f64, u64)> =
            counts.enumerate().map(|(power, count)| (2.0 * (1u64 << power) as f64 * 1e-6, count)).collect();
        if let Some(last) = buckets.last_mut() {
            last.0 = f64::MAX;
        }
        let total = buckets.iter().map(|bucket| bucket.1).sum();
        let sum = self.0.sum.load(Ordering::Relaxed) as f64 * 1e-9;
        encoder.encode_histogram::<NoLabelSet>(sum, total, &buckets, None)
    }
}

fn load(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Relaxed)
}

impl EncodeMetric for Histogram {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.encode_into(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_within_an_eighth_of_the_truth() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for micros in 1..=10_000i64 {
            histogram.observe(micros * 1000, 1);
        }
        for (share, truth) in [(0.01, 100e-6), (0.5, 5e-3), (0.99, 9.9e-3), (1.0, 10e-3)] {
            let found = histogram.quantile(share).expect("events");
            assert!((0.87..1.14).contains(&(found / truth)), "{share}: {found} for {truth}");
        }
        histogram.observe(i64::MAX, 1);
        histogram.observe(-5, 1);
        assert!(histogram.quantile(1.0).expect("events") > 10.0);
    }
}
