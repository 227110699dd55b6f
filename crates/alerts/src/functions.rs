//! Functions over a range of samples, with Prometheus' definitions.

use crate::expression::Function;

/// The value of a function over time; `None` where the samples are too few.
pub(crate) fn over_time(function: Function, samples: &[(i64, f64)], range_ms: i64, now: i64) -> Option<f64> {
    let values = || samples.iter().map(|(_, value)| *value);
    match function {
        Function::Rate => increase(samples, range_ms, now).map(|growth| growth / (range_ms as f64 / 1000.0)),
        Function::Increase => increase(samples, range_ms, now),
        Function::Changes => {
            let differ = |pair: &[(i64, f64)]| pair[0].1 != pair[1].1 && !(pair[0].1.is_nan() && pair[1].1.is_nan());
            Some(samples.windows(2).filter(|pair| differ(pair)).count() as f64)
        }
        Function::MaxOverTime => values().reduce(f64::max),
        Function::MinOverTime => values().reduce(f64::min),
        Function::AvgOverTime => Some(values().sum::<f64>() / samples.len() as f64),
        Function::Abs | Function::Absent | Function::Time => None,
    }
}

/// Growth of a counter over the range. A value below the one before is a restart from zero. The growth seen is
/// stretched to the range's ends where the samples come close to them, as Prometheus does, but never below zero.
fn increase(samples: &[(i64, f64)], range_ms: i64, now: i64) -> Option<f64> {
    let ((first_at, first), (last_at, last)) = (*samples.first()?, *samples.last()?);
    if samples.len() < 2 || last_at <= first_at {
        return None;
    }
    let resets: f64 = samples.windows(2).filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[0].1).sum();
    let growth = last - first + resets;
    let sampled = (last_at - first_at) as f64;
    let between = sampled / (samples.len() - 1) as f64;
    let limit = between * 1.1;
    let to_end = (now - last_at) as f64;
    let mut to_start = (first_at - (now - range_ms)) as f64;
    if to_start >= limit {
        to_start = between / 2.0;
    }
    if growth > 0.0 && first >= 0.0 {
        // A counter was at zero at the earliest this long before its first sample.
        to_start = to_start.min(sampled * (first / growth));
    }
    let to_end = if to_end >= limit { between / 2.0 } else { to_end };
    Some(growth * (sampled + to_start + to_end) / sampled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_grows_across_restarts_and_is_stretched_to_its_range() {
        let steady: Vec<(i64, f64)> = (1..=10).map(|step| (step * 10_000, 100.0 + step as f64 * 5.0)).collect();
        let grown = over_time(Function::Increase, &steady, 100_000, 105_000).expect("a value");
        assert!((grown - 50.0).abs() < 1e-9, "{grown}");
        let rate = over_time(Function::Rate, &steady, 100_000, 105_000).expect("a value");
        assert!((rate - 0.5).abs() < 1e-9);
        let restarted = [(0, 90.0), (10_000, 100.0), (20_000, 5.0), (30_000, 10.0)];
        let grown = over_time(Function::Increase, &restarted, 30_000, 30_000).expect("a value");
        assert!((grown - 20.0).abs() < 1e-9, "10 before the restart, 10 since: {grown}");
        assert_eq!(over_time(Function::Increase, &[(0, 1.0)], 60_000, 0), None, "one sample says nothing");
        let changes = [(0, 1.0), (1, 1.0), (2, -1.0), (3, 1.0)];
        assert_eq!(over_time(Function::Changes, &changes, 10, 3), Some(2.0));
    }
}
