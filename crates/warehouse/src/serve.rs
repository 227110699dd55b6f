//! `kt warehouse`: confine, open, serve, stop.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::WarehouseConfig;
use crate::engine::{Engine, EngineConfig};
use crate::error::WarehouseError;
use crate::http::{Connections, Flushes, Server, accounts};
use crate::sandbox;

/// How long killed statements get to end before the process leaves them behind.
const KILLED: Duration = Duration::from_secs(4);

/// Runs the warehouse until SIGTERM or SIGINT.
///
/// Must be called on the main thread before any other thread exists: the restrictions of the
/// process cover only threads started after them. The data directory's `warehouse.lock` holds
/// process id and address, and below the address for research, while it runs.
///
/// # Errors
/// One clear line each for: port taken, data directory not usable, library missing or of another
/// version, confinement impossible.
pub fn serve(config: WarehouseConfig) -> Result<(), WarehouseError> {
    let config = absolute(config)?;
    let mut confined = sandbox::confine(&config)?;
    if !confined.enforcement.full {
        tracing::warn!(reason = %confined.enforcement.detail, "the warehouse process is not fully confined");
    }
    let engine = Engine::open(&EngineConfig {
        library: config.library.clone(),
        data_directory: config.data_directory.clone(),
        cold: config.cold.clone(),
        max_memory_bytes: config.max_memory_bytes,
    })?;
    if confined.research.is_some() {
        accounts(&config).prepare()?;
    }
    let address = confined.listener.local_addr()?;
    tracing::info!(%address, user = %confined.user, sandbox = %confined.enforcement.detail, version = engine.version(), "warehouse ready");
    confined.lock.set_len(0)?;
    confined.lock.seek(SeekFrom::Start(0))?;
    let research = confined.research.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
    let research_line = research.map(|address| format!("\n{address}")).unwrap_or_default();
    writeln!(confined.lock, "{}\n{address}{research_line}", std::process::id())?;
    let stop_timeout = config.stop_timeout;
    let server = Server::new(config, engine, confined.enforcement.detail.clone())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("http").enable_all().build()?;
    let outcome = runtime.block_on(run(&server, (confined.listener, confined.research), stop_timeout));
    // Requests that are still there end here: their clients are cut off.
    runtime.shutdown_timeout(Duration::from_secs(1));
    stop(server);
    outcome
}

fn absolute(mut config: WarehouseConfig) -> Result<WarehouseConfig, WarehouseError> {
    config.data_directory = std::path::absolute(&config.data_directory)?;
    config.library = std::path::absolute(&config.library)?;
    Ok(config)
}

async fn run(
    server: &Server,
    (platform, research): (TcpListener, Option<TcpListener>),
    stop_timeout: Duration,
) -> Result<(), WarehouseError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopping) = watch::channel(false);
    let platform = listen(platform, server.router(), stopping.clone());
    let research = async {
        match research {
            Some(listener) => listen(listener, server.research_router(), stopping.clone()).await,
            None => Ok(()),
        }
    };
    let serving = async { tokio::try_join!(platform, research).map(|_| ()) };
    tokio::pin!(serving);
    let mut expire = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            outcome = &mut serving => return outcome.map_err(WarehouseError::from),
            _ = expire.tick() => server.expire_sessions(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("stopping: no new requests, waiting for running statements");
    let _ = stop.send(true);
    if tokio::time::timeout(stop_timeout, &mut serving).await.is_err() {
        tracing::warn!("statements still run after {} s; killing them", stop_timeout.as_secs());
        server.kill_all();
    }
    Ok(())
}

/// Serves one address until it is told to stop.
async fn listen(listener: TcpListener, routes: Router, mut stopping: watch::Receiver<bool>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = Connections(tokio::net::TcpListener::from_std(listener)?);
    axum::serve(listener, routes.into_make_service_with_connect_info::<Flushes>())
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone, which is a reason to stop as well.
            let _ = stopping.wait_for(|stop| *stop).await;
        })
        .await
}

/// Closes every connection, as the engine demands before the process exits.
fn stop(server: Server) {
    let started = Instant::now();
    let closing = std::thread::spawn(move || server.close());
    while !closing.is_finished() && started.elapsed() < KILLED {
        std::thread::sleep(Duration::from_millis(5));
    }
    let left = if closing.is_finished() { closing.join().unwrap_or(1) } else { 1 };
    if left == 0 {
        tracing::info!("warehouse stopped, all connections closed");
        return;
    }
    // With a connection open the library's destructors hang or abort; the data is safe, as after
    // a kill.
    tracing::error!(connections = left, "statements do not end; leaving without the engine's clean stop");
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(0) };
}
