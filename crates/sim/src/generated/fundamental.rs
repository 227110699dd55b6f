//! What the instruments are worth: correlated random walks with changing volatility, and a
//! mean-reverting basis between perpetual and spot.
//!
//! Only additions, multiplications and square roots: IEEE 754 defines them exactly, so that
//! every machine gets the same walk from the same seed.

use rand::Rng;

use super::instrument::Instrument;

const YEAR: f64 = 365.0 * 86_400.0;
/// Volatility of the whole market per square root of a year.
const MARKET_VOLATILITY: f64 = 0.5;
/// Volatility in the calm, the ordinary and the stormy regime, relative to the mean.
const REGIMES: [f64; 3] = [0.4, 1.0, 3.0];
/// Changes of regime per second.
const REGIME_CHANGES: f64 = 1.0 / 90.0;
/// How fast the basis returns to its mean, per second, and how far it strays.
const BASIS_RETURN: f64 = 1.0 / 40.0;
const BASIS_DEVIATION: f64 = 4e-4;

/// The walk of all instruments.
pub(crate) struct Fundamentals {
    regime: usize,
    worths: Vec<Worth>,
}

/// One instrument's worth.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Worth {
    pub spot: f64,
    pub basis: f64,
    mean_basis: f64,
    beta: f64,
    volatility: f64,
}

impl Worth {
    pub fn perpetual(&self) -> f64 {
        self.spot * (1.0 + self.basis)
    }
}

impl Fundamentals {
    pub fn new(instruments: &[Instrument]) -> Self {
        let worth = |instrument: &Instrument| Worth {
            spot: instrument.price,
            basis: instrument.basis,
            mean_basis: instrument.basis,
            beta: instrument.beta,
            volatility: instrument.volatility,
        };
        Self { regime: 1, worths: instruments.iter().map(worth).collect() }
    }

    pub fn worth(&self, index: usize) -> &Worth {
        &self.worths[index]
    }

    /// Lets `seconds` pass.
    pub fn step(&mut self, seconds: f64, random: &mut impl Rng) {
        if random.random::<f64>() < REGIME_CHANGES * seconds {
            self.regime = random.random_range(0..REGIMES.len());
        }
        let storm = REGIMES[self.regime];
        let root = (seconds / YEAR).sqrt();
        let market = MARKET_VOLATILITY * storm * root * normal(random);
        let basis_step = BASIS_DEVIATION * (2.0 * BASIS_RETURN * seconds).sqrt();
        for worth in &mut self.worths {
            let own = worth.volatility * storm * root * normal(random);
            worth.spot *= 1.0 + worth.beta * market + own;
            worth.basis += (worth.mean_basis - worth.basis) * BASIS_RETURN * seconds + basis_step * normal(random);
        }
    }
}

/// Nearly normal, mean 0, deviation 1: the sum of four uniform numbers.
fn normal(random: &mut impl Rng) -> f64 {
    let sum: f64 = (0..4).map(|_| random.random::<f64>()).sum();
    (sum - 2.0) * 3f64.sqrt()
}
