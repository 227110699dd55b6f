//! The formulas that more than one piece of code needs: `kt signals` states their values, strategies decide by them.

/// Middle of bid and ask.
#[must_use]
#[inline]
pub fn mid(bid: f64, ask: f64) -> f64 {
    (bid + ask) / 2.0
}

/// Basis of a derivative over its underlying, as a fraction of the underlying.
#[must_use]
#[inline]
pub fn basis(derivative: f64, underlying: f64) -> f64 {
    (derivative - underlying) / underlying
}

/// Basis in basis points.
#[must_use]
#[inline]
pub fn basis_bps(derivative: f64, underlying: f64) -> f64 {
    basis(derivative, underlying) * 10_000.0
}

/// Mean and sample standard deviation (n − 1); `None` with fewer than two samples or no deviation.
#[must_use]
pub fn mean_and_deviation(samples: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let count = samples.clone().count() as f64;
    let mean = samples.clone().sum::<f64>() / count;
    let squares: f64 = samples.map(|sample| (sample - mean) * (sample - mean)).sum();
    let deviation = (squares / (count - 1.0)).sqrt();
    (deviation > 0.0).then_some((mean, deviation))
}
