//! One instrument at one venue: its book and everything the venue publishes of it.

use super::Side;
use super::act::{Fill, Traders};
use super::batch::Batch;
use super::book::{Book, Top};
use super::candle::{Candle, MINUTE};
use super::depth::DepthStream;
use super::encode::{Put, kline, put};
use super::instrument::Scale;
use super::streams::{Slot, Streams, Wide};
use super::tape::{Aggregate, Tape};

/// Number of a stream in the directory, per slot, fixed for a listing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub side: Side,
    pub instrument: usize,
}

/// An instrument's presence at one venue.
pub(crate) struct Listing {
    pub place: Place,
    pub symbol: String,
    pub scale: Scale,
    pub book: Book,
    pub traders: Traders,
    pub depths: Vec<DepthStream>,
    pub next_trade: u64,
    next_aggregate: u64,
    pub candle: Option<Candle>,
    candle_changed: bool,
    pub tape: Tape,
}

impl Listing {
    pub fn new(
        place: Place,
        symbol: String,
        scale: Scale,
        book: Book,
        traders: Traders,
        depths: Vec<DepthStream>,
        (first_trade, tape): (u64, Tape),
    ) -> Self {
        Self {
            place,
            symbol,
            scale,
            book,
            traders,
            depths,
            next_trade: first_trade,
            next_aggregate: first_trade / 2,
            candle: None,
            candle_changed: false,
            tape,
        }
    }

    /// Decimals with which the venue writes turnovers.
    pub fn turnover_decimals(&self) -> u8 {
        if self.place.side == Side::Spot { 8 } else { 5 }
    }

    /// The middle of best bid and ask in USDT.
    pub fn mid(&self) -> f64 {
        let top = self.book.top();
        (top.bid.price + top.ask.price) as f64 / 2.0 * self.scale.tick_size()
    }

    /// Publishes an act's trades and the quote it leaves. Answers the frames it counts for.
    pub fn publish_act(&mut self, before: Top, fills: &[Fill], now: i64, streams: &Streams, batch: &mut Batch) -> u32 {
        self.publish_trades(fills, now, streams, batch);
        self.publish_aggregates(fills, now, streams, batch);
        for fill in fills {
            self.add_to_candle(fill, now, streams, batch);
            self.next_trade += 1;
        }
        let quoted = self.book.top() != before;
        if quoted {
            self.publish_quote(now, streams, batch);
        }
        fills.len() as u32 + u32::from(quoted)
    }

    pub(super) fn stream(&self, slot: Slot, streams: &Streams) -> (u32, bool) {
        let number = streams.number(self.place.side, self.place.instrument, slot);
        (number, streams.is_wanted(number))
    }

    fn publish_trades(&self, fills: &[Fill], now: i64, streams: &Streams, batch: &mut Batch) {
        let (number, true) = self.stream(Slot::Trade, streams) else { return };
        for (index, fill) in fills.iter().enumerate() {
            let id = self.next_trade + index as u64;
            batch.push(number, streams.opening(number), |buffer| {
                put!(buffer, "{\"e\":\"trade\",\"E\":", now);
                if self.place.side == Side::Perpetual {
                    put!(buffer, ",\"T\":", now);
                }
                put!(
                    buffer,
                    ",\"s\":\"",
                    self.symbol.as_str(),
                    "\",\"t\":",
                    id,
                    ",\"p\":\"",
                    self.scale.price(fill.price)
                );
                put!(buffer, "\",\"q\":\"", self.scale.quantity(fill.lots), "\"");
                match self.place.side {
                    Side::Spot => put!(buffer, ",\"T\":", now, ",\"m\":", fill.buyer_is_maker, ",\"M\":true}"),
                    Side::Perpetual => put!(buffer, ",\"X\":\"MARKET\",\"m\":", fill.buyer_is_maker, "}"),
                }
            });
        }
    }

    /// Trades of one taker at one price are one aggregate.
    fn publish_aggregates(&mut self, fills: &[Fill], now: i64, streams: &Streams, batch: &mut Batch) {
        let (number, wanted) = self.stream(Slot::AggTrade, streams);
        let mut first = self.next_trade;
        for group in fills.chunk_by(|one, next| one.price == next.price) {
            let (id, last) = (self.next_aggregate, first + group.len() as u64 - 1);
            self.next_aggregate += 1;
            let lots = group.iter().map(|fill| fill.lots).sum();
            let (price, buyer_is_maker) = (group[0].price, group[0].buyer_is_maker);
            self.tape.push(Aggregate { id, price, lots, first, last, time: now, buyer_is_maker });
            if wanted {
                batch.push(number, streams.opening(number), |buffer| {
                    put!(buffer, "{\"e\":\"aggTrade\",\"E\":", now);
                    match self.place.side {
                        Side::Spot => put!(buffer, ",\"s\":\"", self.symbol.as_str(), "\",\"a\":", id),
                        Side::Perpetual => put!(buffer, ",\"a\":", id, ",\"s\":\"", self.symbol.as_str(), "\""),
                    }
                    put!(
                        buffer,
                        ",\"p\":\"",
                        self.scale.price(group[0].price),
                        "\",\"q\":\"",
                        self.scale.quantity(lots)
                    );
                    put!(
                        buffer,
                        "\",\"f\":",
                        first,
                        ",\"l\":",
                        last,
                        ",\"T\":",
                        now,
                        ",\"m\":",
                        group[0].buyer_is_maker
                    );
                    put!(buffer, if self.place.side == Side::Spot { ",\"M\":true}" } else { "}" });
                });
            }
            first = last + 1;
        }
    }

    fn publish_quote(&self, now: i64, streams: &Streams, batch: &mut Batch) {
        let (number, wanted) = self.stream(Slot::BookTicker, streams);
        let futures = self.place.side == Side::Perpetual;
        let all = streams.wide(Wide::BookTicker);
        let wanted_by_all = futures && streams.is_wanted(all);
        if !wanted && !wanted_by_all {
            return;
        }
        let top = self.book.top();
        let write = |buffer: &mut Vec<u8>| {
            put!(buffer, if futures { "{\"e\":\"bookTicker\",\"u\":" } else { "{\"u\":" }, self.book.update);
            put!(buffer, ",\"s\":\"", self.symbol.as_str(), "\",\"b\":\"", self.scale.price(top.bid.price));
            put!(
                buffer,
                "\",\"B\":\"",
                self.scale.quantity(top.bid.lots),
                "\",\"a\":\"",
                self.scale.price(top.ask.price)
            );
            put!(buffer, "\",\"A\":\"", self.scale.quantity(top.ask.lots), "\"");
            if futures {
                put!(buffer, ",\"T\":", now, ",\"E\":", now);
            }
            put!(buffer, "}");
        };
        if wanted {
            batch.push(number, streams.opening(number), write);
        }
        if wanted_by_all {
            batch.push(all, streams.opening(all), write);
        }
    }

    fn add_to_candle(&mut self, fill: &Fill, now: i64, streams: &Streams, batch: &mut Batch) {
        self.close_candle(now, streams, batch);
        match &mut self.candle {
            Some(candle) => candle.add(fill),
            None => self.candle = Some(Candle::new(now, self.next_trade, fill)),
        }
        self.candle_changed = true;
    }

    /// Publishes the running candle if it has changed.
    pub fn publish_candle(&mut self, now: i64, streams: &Streams, batch: &mut Batch) {
        self.close_candle(now, streams, batch);
        if let Some(candle) = self.candle.filter(|_| std::mem::take(&mut self.candle_changed)) {
            self.write_candle(&candle, now, false, streams, batch);
        }
    }

    fn close_candle(&mut self, now: i64, streams: &Streams, batch: &mut Batch) {
        if let Some(candle) = self.candle.take_if(|candle| now >= candle.begin + MINUTE) {
            self.candle_changed = false;
            self.tape.push_candle(candle);
            self.write_candle(&candle, now, true, streams, batch);
        }
    }

    fn write_candle(&self, candle: &Candle, now: i64, closed: bool, streams: &Streams, batch: &mut Batch) {
        let (number, true) = self.stream(Slot::Kline, streams) else { return };
        let decimals = self.turnover_decimals();
        batch.push(number, streams.opening(number), |buffer| {
            kline(buffer, &self.symbol, &self.scale, candle, now, closed, decimals);
        });
    }
}
