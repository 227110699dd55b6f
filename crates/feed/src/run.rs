//! The feed service: every configured venue on a thread of its own.

use std::sync::Arc;
use std::thread::JoinHandle;

use kt_ops::Readiness;
use kt_venue::Mapping;
use tokio::sync::{mpsc, watch};

use crate::FeedError;
use crate::config::{FeedConfig, VenueConfig};
use crate::metrics::{self, FeedMetrics};
use crate::moderation::{WakeUps, sharpen_timers};
use crate::venue_feed::run_venue;

/// Runs all venues until `shutdown` completes: then every book is checkpointed, the stop announced, and
/// what is left published. Serves `/metrics` and `/health`, which says 200 once every venue has begun
/// to connect.
///
/// A venue runs on one thread with a single-threaded runtime: decoding, stamping, hot path and spool
/// share no memory with other venues and take no lock.
///
/// # Errors
/// [`FeedError`] for a configuration that cannot work, before anything is started; for the first venue
/// that fails; for last blocks that were not acknowledged in time (they stay in the spool).
pub async fn run(config: FeedConfig, shutdown: impl Future<Output = ()>) -> Result<(), FeedError> {
    let mut venues = Vec::new();
    for venue in &config.venues {
        venues.push((venue.clone(), Arc::new(venue.compile()?)));
    }
    check(&config, &venues)?;
    let metrics = FeedMetrics::default();
    let readiness = Readiness::not_ready("connecting");
    let (stop, stopped) = watch::channel(false);
    let (events, mut happened) = mpsc::channel(64);
    let config = Arc::new(config);
    let mut server_stop = stopped.clone();
    let server = kt_ops::serve(config.listen, metrics::registry(&metrics), readiness.clone(), async move {
        let _ = server_stop.wait_for(|stop| *stop).await;
    });
    let mut server = tokio::spawn(server);
    let threads = venues
        .into_iter()
        .map(|(venue, mapping)| start(&config, venue, mapping, &metrics, &stopped, &events))
        .collect::<Result<Vec<_>, _>>()?;
    drop((events, stopped));
    let outcome = supervise(threads.len(), &mut happened, &readiness, shutdown, &mut server).await;
    readiness.set_not_ready("stopping");
    let _ = stop.send(true);
    let ended = tokio::task::spawn_blocking(move || threads.into_iter().map(join).collect::<Vec<_>>()).await;
    let ended = ended.unwrap_or_default();
    outcome?;
    ended.into_iter().collect()
}

/// What a venue's thread reports.
enum Happened {
    Connecting,
    Ended,
}

fn check(config: &FeedConfig, venues: &[(VenueConfig, Arc<Mapping>)]) -> Result<(), FeedError> {
    if venues.is_empty() {
        return Err(FeedError::Config("no venue is configured".to_owned()));
    }
    let mut names: Vec<&str> = venues.iter().map(|(_, mapping)| mapping.venue()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(FeedError::Config(format!("venue {} is configured twice; one writer a venue", pair[0])));
    }
    for (venue, mapping) in venues {
        for segment in venue.segments(mapping) {
            mapping
                .addresses(&segment)
                .map_err(|error| FeedError::Venue { venue: mapping.venue().to_owned(), message: error.to_string() })?;
        }
    }
    std::fs::create_dir_all(&config.spool_folder).map_err(FeedError::file("creating", &config.spool_folder))
}

/// A running venue.
struct VenueThread {
    name: String,
    handle: JoinHandle<Result<(), FeedError>>,
}

fn start(
    config: &Arc<FeedConfig>,
    venue: VenueConfig,
    mapping: Arc<Mapping>,
    metrics: &FeedMetrics,
    stop: &watch::Receiver<bool>,
    events: &mpsc::Sender<Happened>,
) -> Result<VenueThread, FeedError> {
    let name = mapping.venue().to_owned();
    let (config, metrics, stop, events) = (config.clone(), metrics.clone(), stop.clone(), events.clone());
    let work = move || {
        // Dropped when the thread ends, however it ends.
        let _ended = Ended(events.clone());
        sharpen_timers();
        let wake_ups = WakeUps::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .event_interval(61)
            .on_thread_park(move || wake_ups.before_waiting())
            .build()
            .map_err(|error| FeedError::Config(format!("no runtime: {error}")))?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let ready = move || drop(events.try_send(Happened::Connecting));
            run_venue(&config, &venue, mapping, &metrics, stop, ready).await
        })
    };
    let spawned = std::thread::Builder::new().name(format!("feed-{name}")).spawn(work);
    let handle = spawned.map_err(|error| FeedError::Config(format!("no thread for venue {name}: {error}")))?;
    Ok(VenueThread { name, handle })
}

struct Ended(mpsc::Sender<Happened>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.try_send(Happened::Ended);
    }
}

/// Returns when the service shall stop: on request, or because a venue or the operator's port failed.
async fn supervise(
    venues: usize,
    happened: &mut mpsc::Receiver<Happened>,
    readiness: &Readiness,
    shutdown: impl Future<Output = ()>,
    server: &mut tokio::task::JoinHandle<Result<(), kt_ops::Error>>,
) -> Result<(), FeedError> {
    let mut connecting = 0;
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            served = &mut *server => {
                return match served {
                    Ok(outcome) => outcome.map_err(FeedError::from),
                    Err(_) => Err(FeedError::Panicked("metrics".to_owned())),
                };
            }
            event = happened.recv() => match event {
                Some(Happened::Connecting) => {
                    connecting += 1;
                    if connecting == venues {
                        readiness.set_ready();
                    }
                }
                Some(Happened::Ended) | None => return Ok(()), // its thread's result says why
            },
        }
    }
}

fn join(thread: VenueThread) -> Result<(), FeedError> {
    match thread.handle.join() {
        Ok(outcome) => {
            if let Err(error) = &outcome {
                tracing::error!(venue = thread.name, %error, "venue ended with an error");
            }
            outcome
        }
        Err(_) => Err(FeedError::Panicked(thread.name)),
    }
}
