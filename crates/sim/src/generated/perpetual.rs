//! What only the futures venue publishes: mark prices with index and funding, and liquidations.

use super::Side;
use super::encode::{Decimal, Put, put};
use super::funding::Funding;
use super::market::Market;
use super::streams::{Slot, Wide};

impl Market {
    /// The last act's taker was liquidated.
    pub(super) fn publish_liquidation(&mut self, instrument: usize, now: i64) {
        let listing = &self.listings[self.instruments.len() + instrument];
        let (scale, fills) = (listing.scale, &self.fills);
        let last = fills[fills.len() - 1];
        let lots: i64 = fills.iter().map(|fill| fill.lots).sum();
        let turnover: i128 = fills.iter().map(|fill| i128::from(fill.price) * i128::from(fill.lots)).sum();
        let average = i64::try_from(turnover / i128::from(lots)).unwrap_or(last.price);
        let side = if last.buyer_is_maker { "SELL" } else { "BUY" };
        let write = |buffer: &mut Vec<u8>| {
            put!(buffer, "{\"e\":\"forceOrder\",\"E\":", now, ",\"o\":{\"s\":\"", listing.symbol.as_str());
            put!(buffer, "\",\"S\":\"", side, "\",\"o\":\"LIMIT\",\"f\":\"IOC\",\"q\":\"", scale.quantity(lots));
            put!(buffer, "\",\"p\":\"", scale.price(last.price), "\",\"ap\":\"", scale.price(average));
            put!(
                buffer,
                "\",\"X\":\"FILLED\",\"l\":\"",
                scale.quantity(last.lots),
                "\",\"z\":\"",
                scale.quantity(lots)
            );
            put!(buffer, "\",\"T\":", now, "}}");
        };
        let own = self.streams.number(Side::Perpetual, instrument, Slot::ForceOrder);
        for number in [own, self.streams.wide(Wide::ForceOrder)] {
            if self.streams.is_wanted(number) {
                self.batch.push(number, self.streams.opening(number), write);
            }
        }
    }

    /// A second has passed for funding; publishes mark prices, the slower streams every third time.
    pub(super) fn publish_marks(&mut self, now: i64) {
        let count = self.instruments.len();
        for (index, funding) in self.fundings.iter_mut().enumerate() {
            self.settlements[index].pass(funding, now);
            funding.second(self.listings[index].mid(), self.listings[count + index].mid());
        }
        self.publish_marks_on(Slot::Mark1s, Wide::Mark1s, now);
        if (self.step / self.rhythm.second).is_multiple_of(3) {
            self.publish_marks_on(Slot::Mark, Wide::Mark, now);
        }
    }

    fn publish_marks_on(&mut self, slot: Slot, wide: Wide, now: i64) {
        let marks = || self.instruments.iter().map(|instrument| instrument.symbol.as_str()).zip(&self.fundings);
        for (index, (symbol, funding)) in marks().enumerate() {
            let number = self.streams.number(Side::Perpetual, index, slot);
            if self.streams.is_wanted(number) {
                self.batch.push(number, self.streams.opening(number), |buffer| mark(buffer, symbol, funding, now));
            }
        }
        let number = self.streams.wide(wide);
        if self.streams.is_wanted(number) {
            self.batch.push(number, self.streams.opening(number), |buffer| {
                for (index, (symbol, funding)) in marks().enumerate() {
                    put!(buffer, if index == 0 { "[" } else { "," });
                    mark(buffer, symbol, funding, now);
                }
                put!(buffer, "]");
            });
        }
    }
}

fn mark(buffer: &mut Vec<u8>, symbol: &str, funding: &Funding, now: i64) {
    put!(
        buffer,
        "{\"e\":\"markPriceUpdate\",\"E\":",
        now,
        ",\"s\":\"",
        symbol,
        "\",\"p\":\"",
        Decimal(funding.mark, 8)
    );
    put!(buffer, "\",\"P\":\"", Decimal(funding.index, 8), "\",\"i\":\"", Decimal(funding.index, 8));
    put!(buffer, "\",\"r\":\"", Decimal(funding.rate, 8), "\",\"T\":", funding.next_settlement(now), "}");
}
