//! The events as Binance writes them: order of the fields, decimals and types follow the
//! documentation of the spot and the USD-M futures WebSocket streams.

use super::book::Level;
use super::candle::{Candle, MINUTE};
use super::instrument::{Scale, power};

/// Appends an integer.
pub(crate) fn integer(buffer: &mut Vec<u8>, value: impl itoa::Integer) {
    buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `units` of the last of `decimals` decimals: 6180020 with 2 is `61800.20`.
pub(crate) fn decimal(buffer: &mut Vec<u8>, units: i64, decimals: u8) {
    if units < 0 {
        buffer.push(b'-');
    }
    let (units, scale) = (units.unsigned_abs(), power(decimals).unsigned_abs());
    integer(buffer, units / scale);
    if decimals == 0 {
        return;
    }
    let mut digits = [b'.'; 20];
    let mut fraction = units % scale;
    for digit in digits[1..=usize::from(decimals)].iter_mut().rev() {
        *digit = b'0' + (fraction % 10) as u8;
        fraction /= 10;
    }
    buffer.extend_from_slice(&digits[..=usize::from(decimals)]);
}

/// Appends literals and values in turn.
macro_rules! put {
    ($buffer:expr, $($part:expr),+ $(,)?) => {{ $( $part.put($buffer); )+ }};
}
pub(crate) use put;

/// Something that can stand in an event's text.
pub(crate) trait Put {
    fn put(&self, buffer: &mut Vec<u8>);
}

impl Put for &str {
    fn put(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(self.as_bytes());
    }
}

impl Put for u64 {
    fn put(&self, buffer: &mut Vec<u8>) {
        integer(buffer, *self);
    }
}

impl Put for i64 {
    fn put(&self, buffer: &mut Vec<u8>) {
        integer(buffer, *self);
    }
}

impl Put for bool {
    fn put(&self, buffer: &mut Vec<u8>) {
        (if *self { "true" } else { "false" }).put(buffer);
    }
}

/// A decimal: units and decimals.
pub(crate) struct Decimal(pub i64, pub u8);

impl Put for Decimal {
    fn put(&self, buffer: &mut Vec<u8>) {
        decimal(buffer, self.0, self.1);
    }
}

impl Scale {
    /// A price in ticks as it is written.
    pub fn price(&self, ticks: i64) -> Decimal {
        Decimal(ticks * self.tick, self.price_decimals)
    }

    /// A quantity in lots as it is written.
    pub fn quantity(&self, lots: i64) -> Decimal {
        Decimal(lots * self.lot, self.quantity_decimals)
    }

    /// Appends `["price","quantity"],…`.
    pub fn levels(&self, buffer: &mut Vec<u8>, levels: impl Iterator<Item = Level>) {
        for (index, level) in levels.enumerate() {
            put!(
                buffer,
                if index == 0 { "[\"" } else { ",[\"" },
                self.price(level.price),
                "\",\"",
                self.quantity(level.lots),
                "\"]"
            );
        }
    }
}

/// Appends a candle's `k` object and the event around it.
pub(crate) fn kline(
    buffer: &mut Vec<u8>,
    symbol: &str,
    scale: &Scale,
    candle: &Candle,
    now: i64,
    closed: bool,
    turnover_decimals: u8,
) {
    let turnover = |value| Decimal(Candle::turnover_units(value, scale, turnover_decimals), turnover_decimals);
    put!(buffer, "{\"e\":\"kline\",\"E\":", now, ",\"s\":\"", symbol, "\",\"k\":{\"t\":", candle.begin);
    put!(
        buffer,
        ",\"T\":",
        candle.begin + MINUTE - 1,
        ",\"s\":\"",
        symbol,
        "\",\"i\":\"1m\",\"f\":",
        candle.first_trade
    );
    put!(buffer, ",\"L\":", candle.first_trade + candle.trades - 1, ",\"o\":\"", scale.price(candle.open));
    put!(buffer, "\",\"c\":\"", scale.price(candle.close), "\",\"h\":\"", scale.price(candle.high));
    put!(buffer, "\",\"l\":\"", scale.price(candle.low), "\",\"v\":\"", scale.quantity(candle.volume));
    put!(buffer, "\",\"n\":", candle.trades, ",\"x\":", closed, ",\"q\":\"", turnover(candle.turnover));
    put!(buffer, "\",\"V\":\"", scale.quantity(candle.taker_volume), "\",\"Q\":\"", turnover(candle.taker_turnover));
    put!(buffer, "\",\"B\":\"0\"}}");
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn decimals_keep_their_zeros() {
        for (units, decimals, expected) in [
            (6_183_764_000_000, 8, "61837.64000000"),
            (6_180_020, 2, "61800.20"),
            (5, 3, "0.005"),
            (0, 8, "0.00000000"),
            (-2_754, 8, "-0.00002754"),
            (17, 0, "17"),
            (100_000, 2, "1000.00"),
        ] {
            let mut text = b"x".to_vec();
            decimal(&mut text, units, decimals);
            assert_eq!(String::from_utf8(text).unwrap(), format!("x{expected}"));
        }
    }
}
