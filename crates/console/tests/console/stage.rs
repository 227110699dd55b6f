//! A platform without feeds: generated rows go over the real hot path, the real log and the real loader.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kt_bus::BusConfig;
use kt_console::{ConsoleConfig, ConsoleError, CostConfig};
use kt_model::{Event, Nanos};
use kt_warehouse::loader::LoaderConfig;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::engines::{Engines, free_port};
use crate::flow::{Flow, VENUES};
use crate::publisher::Publisher;

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
    console: JoinHandle<Result<(), ConsoleError>>,
    loader: Option<JoinHandle<()>>,
    market: Option<JoinHandle<()>>,
}

impl Stage {
    /// Starts engines and console; `port` 0 takes a free one.
    pub async fn start(port: u16, change: impl FnOnce(&mut ConsoleConfig)) -> Self {
        let engines = Engines::start().await;
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut config = ConsoleConfig::local(address.port(), engines.nats_port, engines.warehouse_port);
        let currency = "USD".to_owned();
        config.cost = Some(CostConfig { hot_price: 0.1, cold_price: 0.02, hot_days: Some(30), currency });
        change(&mut config);
        let (stop, stopped) = oneshot::channel();
        let console = tokio::spawn(kt_console::serve_on(listener, config, async { drop(stopped.await) }));
        let url = format!("http://{address}");
        Self { engines, controls: Arc::default(), url, stop: Some(stop), console, loader: None, market: None }
    }

    /// Lets the market run and the loader load.
    pub fn run_market(&mut self) {
        let port = self.engines.nats_port;
        let metrics = ([127, 0, 0, 1], free_port()).into();
        let warehouse = format!("http://127.0.0.1:{}", self.engines.warehouse_port);
        let loader = LoaderConfig::new(BusConfig::local(port, "stage-loader"), &warehouse, metrics);
        self.loader = Some(tokio::spawn(async move {
            let ended = kt_warehouse::loader::run(loader, std::future::pending()).await;
            eprintln!("the loader ended: {ended:?}");
        }));
        self.market = Some(tokio::spawn(market(port, self.controls.clone())));
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

    /// Ends the market and the loader; the console goes on.
    pub fn stop_market(&mut self) {
        self.market.take().inspect(JoinHandle::abort);
        self.loader.take().inspect(JoinHandle::abort);
    }

    /// Stops the console as the supervisor would; says how it ended and how long that took.
    pub async fn stop(mut self) -> (Result<(), ConsoleError>, Duration) {
        self.stop_market();
        let start = std::time::Instant::now();
        drop(self.stop.take());
        let ended = (&mut self.console).await.expect("no panic");
        (ended, start.elapsed())
    }
}

async fn market(port: u16, controls: Arc<Mutex<Controls>>) {
    let mut publisher = Publisher::connect(port).await;
    let mut flow = Flow::new(20_261_122);
    flow.define(now(), &mut |venue, event| publisher.publish(venue, &event));
    let mut clock = tokio::time::interval(STEP);
    for step in 0_u64.. {
        clock.tick().await;
        let (paused, trouble) = {
            let mut held = controls.lock().expect("no panic");
            (held.paused.clone(), std::mem::take(&mut held.trouble))
        };
        flow.pause(|venue| paused.iter().any(|silent| silent == VENUES[venue].0));
        let mut send = |venue: usize, event: Event<'_>| publisher.publish(venue, &event);
        flow.step(now(), step % 40 == 0, &mut send);
        if trouble {
            flow.trouble(now(), &mut send);
        }
        publisher.flush();
        if step % 10 == 9 {
            publisher.log().await;
        }
    }
}
