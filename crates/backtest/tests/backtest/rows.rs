//! Rows for tests.

use kt_model::*;

/// What a test varies.
#[derive(Clone, Debug)]
pub struct Seed {
    pub recv_ts: i64,
    pub writer: &'static str,
    pub epoch: u32,
    pub counter: u64,
    pub is_quote: bool,
}

impl Seed {
    pub fn event(&self) -> Event<'static> {
        let header = Header {
            publish_ts: Nanos(self.recv_ts + 7),
            counter: self.counter,
            epoch: self.epoch,
            writer: Label(self.writer),
            venue: Label("venue"),
            instrument: Label("BTC-USDT-SPOT"),
            channel: Label("c"),
            // Exchange time runs the other way round: no order may come from it.
            event_ts: Nanos(-self.recv_ts),
            exch_ts: None,
            sent_ts: None,
            recv_ts: Nanos(self.recv_ts),
            origin: Origin::Live,
            connection: 1,
            line: 0,
            mapping: 1,
            identity: IdentityClass::Sequence,
            occurrence: 0,
        };
        if self.is_quote {
            Event::Quote(Quote {
                header,
                sequence: self.counter,
                bid_price: Some(Decimal(1)),
                bid_quantity: None,
                ask_price: None,
                ask_quantity: Some(Decimal(2)),
                quantity_unit: QuantityUnit::Base,
            })
        } else {
            Event::Trade(Trade {
                header,
                trade_id: "t",
                first_trade_id: None,
                trade_count: 1,
                side: Side::Buy,
                price: Decimal(3),
                quantity: Decimal(4),
                quantity_unit: QuantityUnit::Base,
                flags: 0,
            })
        }
    }

    pub fn key(&self) -> (i64, &'static str, u32, u64) {
        (self.recv_ts, self.writer, self.epoch, self.counter)
    }
}
