//! The samples that rules look back over: bounded in number and in time.

use std::collections::{BTreeMap, VecDeque};

use crate::Labels;
use crate::exposition::Sample;
use crate::expression::Selector;

/// Most series held; further ones are refused and counted.
pub const MOST_SERIES: usize = 20_000;
/// Most samples of one series.
const MOST_SAMPLES: usize = 2_000;
/// A series without a newer sample for this long is not there any more, as in Prometheus.
pub const LOOK_BACK_MS: i64 = 300_000;

/// One series.
#[derive(Debug, Default)]
struct Held {
    /// Time in ms and value, in time order.
    samples: VecDeque<(i64, f64)>,
    /// Its source answered without it: it is gone although it is not old.
    gone: bool,
}

/// All series, by metric.
#[derive(Debug, Default)]
pub struct Store {
    series: BTreeMap<String, BTreeMap<Labels, Held>>,
    count: usize,
    keep_ms: i64,
    /// Series refused because there were too many.
    pub refused: u64,
}

impl Store {
    /// A store that keeps samples for `keep_ms`.
    #[must_use]
    pub fn new(keep_ms: i64) -> Self {
        Self { keep_ms: keep_ms.max(LOOK_BACK_MS), ..Self::default() }
    }

    /// Takes what one source answered at `now`; series of it that the answer lacks are gone. `source` are the
    /// labels that all its series carry (`job`, `instance`).
    pub fn take(&mut self, now: i64, source: &Labels, samples: Vec<Sample>) {
        for held in self.series.values_mut() {
            for (labels, held) in held.iter_mut() {
                held.gone |= source.iter().all(|(name, value)| labels.get(name) == Some(value));
            }
        }
        for sample in samples {
            let mut labels = sample.labels;
            labels.extend(source.iter().map(|(name, value)| (name.clone(), value.clone())));
            self.push(now, &sample.name, labels, sample.value);
        }
        self.forget(now);
    }

    fn push(&mut self, now: i64, name: &str, labels: Labels, value: f64) {
        let known = self.series.get(name).is_some_and(|held| held.contains_key(&labels));
        if !known {
            if self.count >= MOST_SERIES {
                self.refused += 1;
                return;
            }
            self.count += 1;
        }
        let held = self.series.entry(name.to_owned()).or_default().entry(labels).or_default();
        held.gone = false;
        held.samples.push_back((now, value));
        if held.samples.len() > MOST_SAMPLES {
            held.samples.pop_front();
        }
    }

    fn forget(&mut self, now: i64) {
        let oldest = now - self.keep_ms;
        for series in self.series.values_mut() {
            for held in series.values_mut() {
                while held.samples.front().is_some_and(|(at, _)| *at < oldest) {
                    held.samples.pop_front();
                }
            }
            series.retain(|_, held| !held.samples.is_empty());
        }
        self.series.retain(|_, series| !series.is_empty());
        self.count = self.series.values().map(BTreeMap::len).sum();
    }

    /// The newest value of each series meant, at `now`.
    #[must_use]
    pub fn instant(&self, selector: &Selector, now: i64) -> Vec<(Labels, f64)> {
        let newest = |held: &Held| {
            let fresh = |(at, _): &&(i64, f64)| *at <= now && *at > now - LOOK_BACK_MS;
            held.samples.iter().rev().find(fresh).filter(|_| !held.gone).map(|(_, value)| *value)
        };
        self.fitting(selector).filter_map(|(labels, held)| Some((labels.clone(), newest(held)?))).collect()
    }

    /// The samples of each series meant within the selector's range before `now`, the start left out as in Prometheus.
    #[must_use]
    pub fn range(&self, selector: &Selector, now: i64) -> Vec<(Labels, Vec<(i64, f64)>)> {
        let from = now - selector.range_ms.unwrap_or(0);
        let within = |held: &Held| -> Vec<(i64, f64)> {
            held.samples.iter().filter(|(at, _)| *at > from && *at <= now).copied().collect()
        };
        self.fitting(selector)
            .map(|(labels, held)| (labels.clone(), within(held)))
            .filter(|(_, all)| !all.is_empty())
            .collect()
    }

    fn fitting<'a>(&'a self, selector: &'a Selector) -> impl Iterator<Item = (&'a Labels, &'a Held)> {
        self.series.get(&selector.name).into_iter().flatten().filter(|(labels, _)| selector.fits(labels))
    }

    /// How many series are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
