//! A writer as the feed is one: counters over all kinds, block numbers per kind, a spool.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use kt_bus::{Bus, LogPublisher, PublisherConfig};
use kt_model::codec::Label;
use kt_model::schema::Kind;
use kt_model::{
    BlockHeader, Event, Header, IdentityClass, Nanos, Origin, Price, Quantity, QuantityUnit, Quote, Side, Trade, block,
};

/// 2024-08-08 12:00:00 UTC.
pub const NOON: i64 = 1_723_118_400_000_000_000;

pub struct Writer {
    pub name: &'static str,
    pub venue: &'static str,
    pub epoch: u32,
    pub counter: u64,
    numbers: HashMap<Kind, u64>,
    /// Every block, in the order of writing.
    pub spool: Vec<(BlockHeader, Bytes)>,
}

impl Writer {
    pub fn new(name: &'static str, venue: &'static str, epoch: u32) -> Self {
        Self { name, venue, epoch, counter: 0, numbers: HashMap::new(), spool: Vec::new() }
    }

    /// One block of events of one kind and day.
    pub fn block(&mut self, mut events: Vec<Event<'_>>) -> &(BlockHeader, Bytes) {
        let kind = events[0].kind();
        let first = self.counter + 1;
        let mut payload = Vec::new();
        for event in &mut events {
            self.counter += 1;
            let header = event.header_mut();
            header.counter = self.counter;
            header.epoch = self.epoch;
            header.publish_ts = now();
            event.encode(&mut payload);
        }
        let number = self.numbers.entry(kind).or_insert(0);
        *number += 1;
        let times = events.iter().map(|event| event.header().event_ts);
        let header = BlockHeader {
            kind,
            schema_version: kind.schema().version,
            venue: self.venue.to_owned(),
            writer: self.name.to_owned(),
            epoch: self.epoch,
            number: *number,
            first_counter: first,
            last_counter: self.counter,
            rows: events.len() as u32,
            hash: block::hash(&payload),
            min_event_ts: times.clone().min().unwrap(),
            max_event_ts: times.max().unwrap(),
        };
        self.spool.push((header, payload.into()));
        self.spool.last().unwrap()
    }

    /// Trades in blocks of `per_block`, each one `step` nanoseconds after the one before.
    pub fn trades(&mut self, first_id: u64, count: u64, per_block: u64, start: i64, step: i64) {
        let (name, venue) = (self.name, self.venue);
        let ids: Vec<u64> = (first_id..first_id + count).collect();
        for chunk in ids.chunks(per_block as usize) {
            let texts: Vec<String> = chunk.iter().map(u64::to_string).collect();
            let trades = chunk.iter().zip(&texts).map(|(id, text)| {
                let at = Nanos(start + (*id as i64) * step);
                Event::Trade(trade(header(name, venue, "BTC-USDT-SPOT", at), text, 60_000 + *id as i128 % 100, 1))
            });
            let trades = trades.collect();
            self.block(trades);
        }
    }

    /// Quotes in blocks of `per_block`.
    pub fn quotes(&mut self, instrument: &'static str, count: u64, per_block: u64, start: i64, step: i64) {
        let (name, venue) = (self.name, self.venue);
        for chunk in (0..count).collect::<Vec<_>>().chunks(per_block as usize) {
            let quotes = chunk.iter().map(|index| {
                let at = Nanos(start + (*index as i64) * step);
                Event::Quote(quote(header(name, venue, instrument, at), *index + 1, 60_000 + *index as i128 % 50))
            });
            let quotes = quotes.collect();
            self.block(quotes);
        }
    }

    /// Publishes blocks of the spool, in the order given.
    pub async fn publish(&self, bus: &Bus, blocks: impl IntoIterator<Item = usize>) {
        publish(bus, self.venue, self.name, blocks.into_iter().map(|index| self.spool[index].clone())).await;
    }

    pub async fn publish_all(&self, bus: &Bus) {
        self.publish(bus, 0..self.spool.len()).await;
    }
}

/// Publishes blocks and waits for the log to have them. Repeated ones go without a message id.
pub async fn publish(bus: &Bus, venue: &str, writer: &str, blocks: impl Iterator<Item = (BlockHeader, Bytes)>) {
    let mut publisher = LogPublisher::new(bus, venue, writer, PublisherConfig::default()).await.unwrap();
    for (header, payload) in blocks {
        while !publisher.has_room() {
            publisher.next().await.unwrap();
        }
        publisher.send_again(&header, payload).await.unwrap();
    }
    publisher.drain(Duration::from_secs(30), |_| ()).await.unwrap();
}

pub fn header<'a>(writer: &'a str, venue: &'a str, instrument: &'a str, event_ts: Nanos) -> Header<'a> {
    Header {
        publish_ts: Nanos(0),
        counter: 0,
        epoch: 0,
        writer: Label(writer),
        venue: Label(venue),
        instrument: Label(instrument),
        channel: Label("test"),
        event_ts,
        exch_ts: Some(event_ts),
        sent_ts: None,
        recv_ts: Nanos(event_ts.0 + 5_000_000),
        origin: Origin::Live,
        connection: 1,
        line: 0,
        mapping: 1,
        identity: IdentityClass::Id,
        occurrence: 0,
    }
}

/// A trade at a whole price, quantity in thousandths.
pub fn trade<'a>(header: Header<'a>, id: &'a str, price: i128, thousandths: i128) -> Trade<'a> {
    Trade {
        header,
        trade_id: id,
        first_trade_id: None,
        trade_count: 1,
        side: if price % 2 == 0 { Side::Buy } else { Side::Sell },
        price: kt_model::Decimal(price * 10i128.pow(18)),
        quantity: kt_model::Decimal(thousandths * 10i128.pow(15)),
        quantity_unit: QuantityUnit::Base,
        flags: 0,
    }
}

/// A quote one wide around a whole price.
pub fn quote(header: Header<'_>, sequence: u64, price: i128) -> Quote<'_> {
    let whole = |price: i128| Some(kt_model::Decimal(price * 10i128.pow(18)));
    let one: Quantity = kt_model::Decimal(10i128.pow(18));
    let (bid, ask): (Option<Price>, Option<Price>) = (whole(price), whole(price + 1));
    Quote {
        header,
        sequence,
        bid_price: bid,
        bid_quantity: Some(one),
        ask_price: ask,
        ask_quantity: Some(one),
        quantity_unit: QuantityUnit::Base,
    }
}

fn now() -> Nanos {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Nanos(since.as_nanos() as i64)
}
