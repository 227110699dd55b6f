//! Mark price, premium and funding of a perpetual, after Binance's published formula:
//! rate = (average premium + clamp(interest − premium, ±0.05 %)) / (8 / hours), capped.

/// Interest per eight hours.
const INTEREST: f64 = 0.0001;
const CLAMP: f64 = 0.0005;
/// Largest rate per settlement, either way.
pub(crate) const CAP: f64 = 0.02;
/// Share of the newest second in the average premium and in the basis of the mark price.
const PREMIUM_SHARE: f64 = 1.0 / 600.0;
const BASIS_SHARE: f64 = 1.0 / 30.0;

/// A perpetual's funding state, updated once a second of the market's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Funding {
    hours: u8,
    premium: f64,
    basis: f64,
    /// Index and mark price in 1e-8 USDT, rate in 1e-8.
    pub index: i64,
    pub mark: i64,
    pub rate: i64,
}

impl Funding {
    pub fn new(hours: u8, spot: f64, basis: f64) -> Self {
        let mut funding = Self { hours, premium: basis, basis, index: 0, mark: 0, rate: 0 };
        funding.publish(spot);
        funding
    }

    /// One second with the given mid prices.
    pub fn second(&mut self, spot: f64, perpetual: f64) {
        let basis = (perpetual - spot) / spot;
        self.premium += (basis - self.premium) * PREMIUM_SHARE;
        self.basis += (basis - self.basis) * BASIS_SHARE;
        self.publish(spot);
    }

    fn publish(&mut self, spot: f64) {
        let whole = self.premium + (INTEREST - self.premium).clamp(-CLAMP, CLAMP);
        let rate = (whole * f64::from(self.hours) / 8.0).clamp(-CAP, CAP);
        self.rate = (rate * 1e8).round() as i64;
        self.index = (spot * 1e8).round() as i64;
        self.mark = (spot * (1.0 + self.basis) * 1e8).round() as i64;
    }

    /// The next settlement after `now`, both in milliseconds since the epoch.
    pub fn next_settlement(&self, now: i64) -> i64 {
        let interval = i64::from(self.hours) * 3_600_000;
        now - now.rem_euclid(interval) + interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_follows_the_premium_outside_the_clamp() {
        // Within ±0.05 % of the interest the rate is the interest.
        assert_eq!(Funding::new(8, 100.0, 0.0003).rate, 10_000);
        assert_eq!(Funding::new(4, 100.0, 0.0003).rate, 5_000);
        // Beyond, it is the premium less the clamp.
        assert_eq!(Funding::new(8, 100.0, 0.0014).rate, 90_000);
        assert_eq!(Funding::new(8, 100.0, -0.0008).rate, -30_000);
        assert_eq!(Funding::new(4, 1.0, 0.0).next_settlement(14_400_000), 28_800_000);
    }
}
