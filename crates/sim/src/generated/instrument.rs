//! The instruments of the generated market and their exact price and quantity steps.

use rand::Rng;

use super::Side;

/// Prices and quantities of one instrument are whole numbers of ticks and lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Decimals with which the venue writes prices and quantities.
    pub price_decimals: u8,
    pub quantity_decimals: u8,
    /// Tick and lot in units of the last written decimal.
    pub tick: i64,
    pub lot: i64,
    /// Quantity of a typical order, in lots.
    pub typical_lots: i64,
}

/// One base asset quoted in USDT, with a spot and a perpetual book.
#[derive(Debug, Clone)]
pub(crate) struct Instrument {
    pub base: String,
    pub symbol: String,
    pub lower: String,
    /// Price at the start, in USDT.
    pub price: f64,
    /// How strongly it follows the whole market.
    pub beta: f64,
    /// Its own volatility per square root of a year.
    pub volatility: f64,
    /// Mean basis, perpetual over spot, as a fraction.
    pub basis: f64,
    pub funding_hours: u8,
    pub scales: [Scale; 2],
}

/// Notional of a typical order in USDT.
const TYPICAL_NOTIONAL: f64 = 2_000.0;

/// base, price, beta, volatility, basis in basis points, funding hours,
/// spot (tick, lot) in 1e-8, perpetual (price decimals, tick, quantity decimals, lot).
type Row = (&'static str, f64, f64, f64, f64, u8, (i64, i64), (u8, i64, u8, i64));

const MAJORS: [Row; 6] = [
    ("BTC", 61_800.0, 1.0, 0.25, 3.0, 8, (1_000_000, 1_000), (2, 10, 3, 1)),
    ("ETH", 3_020.0, 1.2, 0.35, 2.0, 8, (1_000_000, 10_000), (2, 1, 3, 1)),
    ("SOL", 152.0, 1.5, 0.6, 9.0, 8, (1_000_000, 100_000), (4, 100, 0, 1)),
    ("BNB", 562.0, 0.8, 0.4, -1.0, 8, (1_000_000, 100_000), (3, 10, 2, 1)),
    ("XRP", 0.612, 1.1, 0.6, -8.0, 4, (10_000, 10_000_000), (4, 1, 1, 1)),
    ("DOGE", 0.1275, 1.6, 0.8, 14.0, 4, (1_000, 100_000_000), (6, 10, 0, 1)),
];

/// The first `count` instruments: the majors, then synthetic ones drawn from `random`.
pub(crate) fn instruments(count: usize, random: &mut impl Rng) -> Vec<Instrument> {
    let majors = MAJORS.iter().take(count).map(major);
    let synthetic = (MAJORS.len()..count).map(|index| synthetic(index, random));
    majors.chain(synthetic).collect()
}

fn major(row: &Row) -> Instrument {
    let &(base, price, beta, volatility, basis, funding_hours, (tick, lot), perpetual) = row;
    let (price_decimals, perpetual_tick, quantity_decimals, perpetual_lot) = perpetual;
    let spot = scale(price, (8, tick), (8, lot));
    let perpetual = scale(price, (price_decimals, perpetual_tick), (quantity_decimals, perpetual_lot));
    build(base.to_owned(), price, beta, volatility, basis, funding_hours, [spot, perpetual])
}

fn synthetic(index: usize, random: &mut impl Rng) -> Instrument {
    let decade = random.random_range(0..6usize);
    let price = random.random_range(1.0..10.0) * [0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0][decade];
    // The tick is a ten-thousandth of the price's decade, the lot about 5 USDT or less.
    let tick_decimals = [6, 5, 4, 3, 2, 1][decade];
    let lot_decimals = [0, 0, 0, 1, 2, 3][decade];
    let spot = scale(price, (8, power(8 - tick_decimals)), (8, power(8 - lot_decimals)));
    let perpetual = scale(price, (tick_decimals, 1), (lot_decimals, 1));
    let beta = random.random_range(0.5..2.0);
    let volatility = random.random_range(0.4..1.2);
    let basis = random.random_range(-20.0..20.0);
    let hours = [8, 8, 4, 4, 1][random.random_range(0..5usize)];
    build(format!("SIM{index:03}"), price, beta, volatility, basis, hours, [spot, perpetual])
}

fn scale(price: f64, (price_decimals, tick): (u8, i64), (quantity_decimals, lot): (u8, i64)) -> Scale {
    let lot_size = lot as f64 / power(quantity_decimals) as f64;
    let typical_lots = ((TYPICAL_NOTIONAL / price / lot_size) as i64).max(1);
    Scale { price_decimals, quantity_decimals, tick, lot, typical_lots }
}

fn build(
    base: String,
    price: f64,
    beta: f64,
    volatility: f64,
    basis: f64,
    funding_hours: u8,
    scales: [Scale; 2],
) -> Instrument {
    let symbol = format!("{base}USDT");
    let lower = symbol.to_ascii_lowercase();
    Instrument { base, symbol, lower, price, beta, volatility, basis: basis * 1e-4, funding_hours, scales }
}

impl Instrument {
    pub fn scale(&self, side: Side) -> Scale {
        self.scales[side as usize]
    }
}

impl Scale {
    /// The tick as a number of USDT.
    pub fn tick_size(&self) -> f64 {
        self.tick as f64 / power(self.price_decimals) as f64
    }
}

/// 10 to the power of `exponent`, which is at most 18.
pub(crate) fn power(exponent: u8) -> i64 {
    10i64.pow(u32::from(exponent))
}
