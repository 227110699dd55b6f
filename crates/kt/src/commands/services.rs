//! The services that this binary holds: each gets its part of the configuration and runs until it
//! is asked to stop.

use std::time::Duration;

use kt_bus::{BusConfig, LogConfig};
use kt_console::ConsoleConfig;
use kt_sim::{GeneratedConfig, Pace, ReplayConfig, SimConfig};
use kt_warehouse::loader::LoaderConfig;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, SourceMode, Speed};
use crate::error::Error;

/// At full speed, how long a replay waits at a recorded order-book snapshot until the feed handler
/// has asked for it.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(10);

/// `kt sim`.
pub(crate) fn sim(config: &Config) -> Result<(), Error> {
    let settings = &config.sim;
    let pace = match config.source.speed {
        Speed::Factor(factor) => Pace::Speed(factor),
        Speed::Max => Pace::Max,
    };
    let mut sim = SimConfig {
        listen: config.address(settings.port),
        client_queue_bytes: usize::try_from(settings.client_queue.0).unwrap_or(usize::MAX),
        ..SimConfig::default()
    };
    if config.source.mode == SourceMode::Replay {
        sim.replay = Some(ReplayConfig {
            files: config.source.replay.clone(),
            pace,
            memory_limit: settings.memory_limit.0,
            recorded_clock: true,
            wait_for_snapshots: Some(SNAPSHOT_WAIT),
            ..ReplayConfig::default()
        });
    } else {
        sim.generated = Some(GeneratedConfig {
            seed: settings.seed,
            instruments: settings.instruments.into(),
            rate: (settings.rate > 0).then_some(settings.rate),
            pace,
            tick: Duration::from_millis(settings.tick_ms),
            history: Duration::from_secs(settings.history_hours * 3600),
            history_bytes: usize::try_from(settings.history_size.0).unwrap_or(usize::MAX),
            ..GeneratedConfig::default()
        });
    }
    run(async { kt_sim::serve(sim, stop_requested()?).await.map_err(failed) })
}

/// `kt load`.
pub(crate) fn load(config: &Config) -> Result<(), Error> {
    let settings = &config.load;
    let (bus, metrics) = (bus(config, "kt-load"), config.address(settings.metrics_port));
    let mut loader = LoaderConfig::new(bus, &config.warehouse_url(), metrics);
    loader.warehouse_user = config.warehouse_user("kt-load")?;
    loader.log = log(config);
    loader.buffer_bytes = usize::try_from(settings.buffer.0).unwrap_or(usize::MAX);
    loader.inserters = settings.inserters;
    if !config.mirror.environment.is_empty() {
        return run(async {
            let connection = kt_bus::Bus::connect(&loader.bus).await.map_err(failed)?;
            let mirrored = connection.ensure_mirrored_log(&loader.log, &config.mirror.environment).await;
            mirrored.map_err(failed)?;
            kt_warehouse::loader::run(loader, stop_requested()?).await.map_err(failed)
        });
    }
    run(async { kt_warehouse::loader::run(loader, stop_requested()?).await.map_err(failed) })
}

/// How a service reaches messaging.
pub(super) fn bus(config: &Config, name: &str) -> BusConfig {
    let local = BusConfig::local(config.address(config.nats.port).port(), name);
    BusConfig { url: config.nats_url(), credentials: config.nats_credentials(name), ..local }
}

/// The limits of the durable log.
pub(super) fn log(config: &Config) -> LogConfig {
    let age = Duration::from_secs(u64::from(config.log.days) * 86_400);
    LogConfig { max_bytes: config.log.size.0, max_age: age, ..LogConfig::default() }
}

/// `kt console`.
pub(crate) fn console(config: &Config) -> Result<(), Error> {
    let settings = &config.console;
    let address = |port| config.address(port).port();
    let ports = [settings.port, config.nats.port, config.warehouse.port].map(address);
    let mut console = ConsoleConfig::local(ports[0], ports[1], ports[2]);
    console.listen = config.address(settings.port);
    console.bus = bus(config, "kt-console");
    console.warehouse_url = config.warehouse_url();
    console.warehouse_user = config.warehouse_user("kt-console")?;
    console.allowed_hosts = settings.allowed_hosts.clone();
    console.control_socket = Some(config.run_file("control.sock"));
    console.stale_after = Duration::from_secs(settings.stale_after_s);
    console.max_clients = settings.max_clients;
    console.demonstration = settings.demonstration;
    let tiers = &config.tiers;
    console.cost = Some(kt_console::CostConfig {
        hot_price: tiers.hot_price,
        cold_price: tiers.cold_price,
        hot_days: Some(tiers.hot_days).filter(|days| *days > 0),
        currency: tiers.currency.clone(),
    });
    console.source = match config.source.mode {
        SourceMode::Generated => kt_console::Source::Generated,
        SourceMode::Replay => kt_console::Source::Replay,
        SourceMode::Live => kt_console::Source::Live,
    };
    run(async { kt_console::serve(console, stop_requested()?).await.map_err(failed) })
}

/// Runs a service to its end on a runtime of its own.
pub(crate) fn run(service: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::doing("starting the runtime"))?
        .block_on(service)
}

/// Completes when SIGTERM or SIGINT arrives. Must be called inside a runtime.
pub(crate) fn stop_requested() -> Result<impl Future<Output = ()> + Send + 'static, Error> {
    let listen = |kind| signal(kind).map_err(Error::doing("listening for signals"));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}

pub(super) fn failed(error: impl std::error::Error) -> Error {
    Error::failed(error.to_string())
}
