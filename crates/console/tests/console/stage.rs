//! A platform without feeds: generated rows go over the real hot path and into the real landing tables.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kt_bus::{Bus, BusConfig, HotConfig, HotPublisher, Route};
use kt_console::ConsoleConfig;
use kt_model::schema::Kind;
use kt_model::{Event, Nanos};
use kt_warehouse::Client;
use kt_warehouse::client::Options;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::engines::Engines;
use crate::flow::{Flow, VENUES};

/// Time between steps of the market.
const STEP: Duration = Duration::from_millis(25);

pub fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Nanos(since.as_nanos() as i64)
}

/// What a test may change while the market runs.
#[derive(Default)]
pub struct Controls {
    /// Venues that are silent.
    pub paused: Vec<String>,
    /// Announce gaps and suspect values once.
    pub trouble: bool,
}

pub struct Stage {
    pub engines: Engines,
    pub controls: Arc<Mutex<Controls>>,
    pub url: String,
    stop: Option<oneshot::Sender<()>>,
    console: JoinHandle<Result<(), kt_console::ConsoleError>>,
    market: Option<JoinHandle<()>>,
}

impl Stage {
    /// Starts engines and console; `port` 0 takes a free one.
    pub async fn start(port: u16, change: impl FnOnce(&mut ConsoleConfig)) -> Self {
        let engines = Engines::start().await;
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut config = ConsoleConfig::local(address.port(), engines.nats_port, engines.warehouse_port);
        change(&mut config);
        let (stop, stopped) = oneshot::channel();
        let console = tokio::spawn(kt_console::serve_on(listener, config, async { drop(stopped.await) }));
        let url = format!("http://{address}");
        Self { engines, controls: Arc::default(), url, stop: Some(stop), console, market: None }
    }

    /// Lets the market run.
    pub fn run_market(&mut self) {
        let (port, client, controls) = (self.engines.nats_port, self.engines.client.clone(), self.controls.clone());
        self.market = Some(tokio::spawn(market(port, client, controls)));
    }

    pub fn pause(&self, venue: &str) {
        self.controls.lock().expect("no panic").paused.push(venue.to_owned());
    }

    pub fn resume(&self) {
        self.controls.lock().expect("no panic").paused.clear();
    }

    pub fn trouble(&self) {
        self.controls.lock().expect("no panic").trouble = true;
    }

    /// Stops the console as the supervisor would and says how it ended.
    pub async fn stop(mut self) -> Result<(), kt_console::ConsoleError> {
        if let Some(market) = self.market.take() {
            market.abort();
        }
        drop(self.stop.take());
        self.console.await.expect("no panic")
    }
}

/// Publishes rows and keeps their bytes by kind until they are inserted.
pub struct Publisher {
    hot: HotPublisher,
    routes: HashMap<(Kind, &'static str, String), Route>,
    rows: HashMap<Kind, (Vec<u8>, u64)>,
    row: Vec<u8>,
}

impl Publisher {
    pub async fn connect(port: u16) -> Self {
        let bus = Bus::connect(&BusConfig::local(port, "stage")).await.expect("messaging");
        let hot = HotPublisher::connect(&bus, HotConfig::default()).await.expect("a connection");
        Self { hot, routes: HashMap::new(), rows: HashMap::new(), row: Vec::new() }
    }

    pub fn publish(&mut self, venue: &'static str, event: &Event<'_>) {
        self.row.clear();
        event.encode(&mut self.row);
        let key = (event.kind(), venue, event.header().instrument.0.to_owned());
        let hot = &mut self.hot;
        let route = *self.routes.entry(key).or_insert_with_key(|(kind, venue, name)| hot.route(*kind, venue, name));
        self.hot.publish(route, &self.row);
        let kept = self.rows.entry(event.kind()).or_default();
        kept.0.extend_from_slice(&self.row);
        kept.1 += 1;
    }

    pub fn flush(&mut self) -> bool {
        self.hot.flush()
    }

    /// Inserts the rows kept so far, as the loader would: rows, then a note of how many.
    pub async fn land(&mut self, client: &Client) {
        for (kind, (rows, count)) in self.rows.drain() {
            let inserted = client.insert_row_binary(kind.table(), None, rows.into(), &Options::new()).await;
            inserted.unwrap_or_else(|error| panic!("{kind}: {error}"));
            let note = "INSERT INTO ops.intents (insert_id, stage, kind, rows) SELECT 1, 'done', {kind:String}, {rows:UInt64}";
            let options = Options::new().param("kind", kind).param("rows", count);
            client.execute(note, &options).await.expect("noted");
        }
    }

    /// Throws the kept rows away.
    pub fn forget(&mut self) {
        self.rows.clear();
    }
}

async fn market(port: u16, client: Client, controls: Arc<Mutex<Controls>>) {
    let mut publisher = Publisher::connect(port).await;
    let mut flow = Flow::new(20_261_122);
    let mut clock = tokio::time::interval(STEP);
    for step in 0_u64.. {
        clock.tick().await;
        let (paused, trouble) = {
            let mut held = controls.lock().expect("no panic");
            (held.paused.clone(), std::mem::take(&mut held.trouble))
        };
        let mut send = |venue: usize, event: Event<'_>| {
            let name = VENUES[venue].0;
            if !paused.iter().any(|silent| silent == name) {
                publisher.publish(name, &event);
            }
        };
        flow.step(now(), step % 40 == 0, &mut send);
        if trouble {
            flow.trouble(now(), &mut send);
        }
        publisher.flush();
        if step % 10 == 9 {
            publisher.land(&client).await;
        }
        if step % 40 == 39 {
            recompute(&client).await;
        }
    }
}

/// Brings the newest seconds of the marts up to date from landing.
pub async fn recompute(client: &Client) {
    let statements = [
        "INSERT INTO marts.candle_1s SELECT venue, instrument, toDateTime(event_ts, 'UTC') AS second, \
         argMin(price, event_ts), max(price), min(price), argMax(price, event_ts), sum(quantity), \
         sumIf(quantity, side = 'buy'), any(quantity_unit), NULL, NULL, count(), min(event_ts), max(event_ts), \
         max(recv_ts), toUnixTimestamp64Nano(now64(9)), 0 FROM landing.trade FINAL \
         WHERE event_ts >= toStartOfSecond(now64(9)) - INTERVAL 5 SECOND GROUP BY venue, instrument, second",
        "INSERT INTO marts.candle_1m SELECT venue, instrument, toStartOfMinute(ts) AS minute, argMin(open, ts), \
         max(high), min(low), argMax(close, ts), sum(volume), sum(taker_buy_volume), any(quantity_unit), NULL, NULL, \
         sum(trade_count), min(first_event_ts), max(last_event_ts), max(newest_recv_ts), \
         toUnixTimestamp64Nano(now64(9)), 0 FROM marts.candle_1s FINAL \
         WHERE ts >= toStartOfMinute(now()) GROUP BY venue, instrument, minute",
        "INSERT INTO marts.basis_1s SELECT p.venue, p.instrument, s.venue, s.instrument, p.second, p.middle, s.middle, \
         (toFloat64(p.middle) - toFloat64(s.middle)) / toFloat64(s.middle) * 10000, 0, 0, \
         toUnixTimestamp64Nano(now64(9)), 0 FROM \
         (SELECT venue, instrument, splitByChar('-', instrument)[1] AS base, toDateTime(event_ts, 'UTC') AS second, \
          argMax((bid_price + ask_price) / 2, event_ts) AS middle FROM landing.quote \
          WHERE instrument LIKE '%-PERP' AND event_ts >= toStartOfSecond(now64(9)) - INTERVAL 3 SECOND GROUP BY ALL) AS p \
         JOIN (SELECT venue, instrument, splitByChar('-', instrument)[1] AS base, toDateTime(event_ts, 'UTC') AS second, \
          argMax((bid_price + ask_price) / 2, event_ts) AS middle FROM landing.quote \
          WHERE instrument LIKE '%-SPOT' AND event_ts >= toStartOfSecond(now64(9)) - INTERVAL 3 SECOND GROUP BY ALL) AS s \
         ON p.base = s.base AND p.second = s.second AND splitByChar('_', p.venue)[1] = s.venue",
    ];
    for statement in statements {
        client.execute(statement, &Options::new()).await.unwrap_or_else(|error| panic!("{statement}\n{error}"));
    }
}
