//! Sends rows as a feed does: each over the hot path, and in blocks into the log.

use std::collections::HashMap;
use std::time::Duration;

use kt_bus::{Bus, BusConfig, HotConfig, HotPublisher, LogConfig, LogPublisher, PublisherConfig, Route};
use kt_model::{BlockHeader, Event, Kind, block};

use crate::flow::VENUES;

/// A block that is being filled.
struct Filling {
    header: BlockHeader,
    payload: Vec<u8>,
}

pub struct Publisher {
    hot: HotPublisher,
    logs: Vec<LogPublisher>,
    routes: HashMap<(usize, Kind, String), Route>,
    filling: HashMap<(usize, Kind), Filling>,
    full: Vec<(usize, Filling)>,
    numbers: HashMap<(usize, Kind), u64>,
    row: Vec<u8>,
}

impl Publisher {
    pub async fn connect(port: u16) -> Self {
        let bus = Bus::connect(&BusConfig::local(port, "stage")).await.expect("messaging");
        bus.ensure_log(&LogConfig::default()).await.expect("the log");
        let hot = HotPublisher::connect(&bus, HotConfig::default()).await.expect("a connection");
        let mut logs = Vec::new();
        for (venue, _) in VENUES {
            logs.push(LogPublisher::new(&bus, venue, venue, PublisherConfig::default()).await.expect("a publisher"));
        }
        let (routes, filling, numbers) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { hot, logs, routes, filling, full: Vec::new(), numbers, row: Vec::new() }
    }

    /// Sends a row over the hot path and keeps it for its block.
    pub fn publish(&mut self, venue: usize, event: &Event<'_>) {
        self.row.clear();
        event.encode(&mut self.row);
        let hot = &mut self.hot;
        let key = (venue, event.kind(), event.header().instrument.0.to_owned());
        let route =
            self.routes.entry(key).or_insert_with_key(|(_, kind, name)| hot.route(*kind, VENUES[venue].0, name));
        self.hot.publish(*route, &self.row);
        self.keep(venue, event);
    }

    fn keep(&mut self, venue: usize, event: &Event<'_>) {
        let (kind, header) = (event.kind(), event.header());
        let other_day =
            self.filling.get(&(venue, kind)).is_some_and(|f| f.header.min_event_ts.day() != header.event_ts.day());
        if other_day {
            self.cut(venue, kind);
        }
        let filling = self.filling.entry((venue, kind)).or_insert_with(|| Filling {
            header: BlockHeader {
                kind,
                schema_version: kind.schema().version,
                venue: VENUES[venue].0.to_owned(),
                writer: header.writer.0.to_owned(),
                epoch: header.epoch,
                number: 0,
                first_counter: header.counter,
                last_counter: header.counter,
                rows: 0,
                hash: 0,
                min_event_ts: header.event_ts,
                max_event_ts: header.event_ts,
            },
            payload: Vec::new(),
        });
        filling.payload.extend_from_slice(&self.row);
        filling.header.rows += 1;
        filling.header.last_counter = header.counter;
        filling.header.min_event_ts = filling.header.min_event_ts.min(header.event_ts);
        filling.header.max_event_ts = filling.header.max_event_ts.max(header.event_ts);
    }

    fn cut(&mut self, venue: usize, kind: Kind) {
        if let Some(mut filling) = self.filling.remove(&(venue, kind)) {
            let number = self.numbers.entry((venue, kind)).or_default();
            *number += 1;
            filling.header.number = *number;
            filling.header.hash = block::hash(&filling.payload);
            self.full.push((venue, filling));
        }
    }

    /// Sends what the hot path holds; `true` when nothing is left.
    pub fn flush(&mut self) -> bool {
        self.hot.flush()
    }

    /// Throws away what waits for the log.
    pub fn forget(&mut self) {
        self.filling.clear();
    }

    /// Writes all rows kept so far into the log and waits until they are stored.
    pub async fn log(&mut self) {
        let keys: Vec<_> = self.filling.keys().copied().collect();
        keys.into_iter().for_each(|(venue, kind)| self.cut(venue, kind));
        for (venue, filling) in self.full.drain(..) {
            self.logs[venue].send(&filling.header, filling.payload.into()).await.expect("sent");
        }
        for log in &mut self.logs {
            log.drain(Duration::from_secs(10), |_| {}).await.expect("stored");
        }
    }
}
