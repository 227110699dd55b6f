//! The backfill's own writer: opened when there is something to write, or something left by a run that was killed.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use kt_bus::{Bus, LandedKey, LogConfig};
use kt_feed::clock::SystemClock;
use kt_feed::metrics::FeedMetrics;
use kt_feed::spool::{Spool, SpoolLimits};
use kt_feed::{CutPolicy, FeedError, LogStageConfig, OpenWriter, Purpose, Writer, WriterConfig};
use kt_model::schema::Kind;
use kt_model::{Event, Reader};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{BackfillError, ErrorKind};

/// Rows written between two looks at the log's acknowledgements.
const AT_ONCE: usize = 512;
/// Rows of the past come in masses: larger blocks than those of the feeds cost the log and the loader less.
const BLOCK_BYTES: usize = 64 << 10;

/// Where rows go.
pub(crate) struct Output {
    bus: Bus,
    config: WriterConfig,
    land_within: Duration,
    open: RefCell<Option<Open>>,
    opening: tokio::sync::Mutex<()>,
}

struct Open {
    writer: Rc<RefCell<Writer>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), FeedError>>,
}

/// Rows of one kind in `RowBinary`.
#[derive(Default)]
pub(crate) struct Rows {
    bytes: Vec<u8>,
    /// End of each row.
    ends: Vec<usize>,
}

impl Rows {
    pub fn push(&mut self, event: &Event<'_>) {
        event.encode(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Adds other rows behind these.
    pub fn append(&mut self, other: Self) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| end + before));
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    fn row(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }
}

impl Output {
    pub fn new(bus: Bus, venue: &str, spools: &Path, log: LogConfig, land_within: Duration) -> Self {
        let name = format!("backfill-{venue}");
        let cut = CutPolicy { target_bytes: BLOCK_BYTES, ..CutPolicy::default() };
        let config = WriterConfig {
            purpose: Purpose::Past,
            spool_folder: spools.join(&name),
            name,
            spool: SpoolLimits { bytes: 1 << 30, ..SpoolLimits::default() },
            cut,
            log: LogStageConfig { log, ..LogStageConfig::default() },
            ..WriterConfig::new(venue, spools)
        };
        Self { bus, config, land_within, open: RefCell::new(None), opening: tokio::sync::Mutex::new(()) }
    }

    /// Publishes what an earlier run accepted and could not publish any more; whether there was something.
    pub async fn finish_earlier(&self) -> Result<bool, BackfillError> {
        if !self.config.spool_folder.exists() {
            return Ok(false);
        }
        let landed = self.bus.landed().await?.of_writer(&self.config.name).await?;
        let is_whole = {
            let opened = Spool::open(&self.config.spool_folder, self.config.spool)?;
            let writer = &self.config.name;
            opened.has_landed(|epoch, kind| {
                landed.get(&LandedKey { writer: writer.clone(), epoch, kind }).copied().unwrap_or(0)
            })
        };
        if is_whole {
            return Ok(false);
        }
        tracing::info!(writer = self.config.name, "rows that an earlier backfill accepted are published first");
        self.open().await?;
        self.landed().await?;
        Ok(true)
    }

    /// Opens the writer where it is not open.
    async fn open(&self) -> Result<Rc<RefCell<Writer>>, BackfillError> {
        let _only_once = self.opening.lock().await;
        if let Some(open) = &*self.open.borrow() {
            return Ok(open.writer.clone());
        }
        let clock = Rc::new(SystemClock::default());
        let opened = OpenWriter::open(&self.bus, &self.config, clock, &FeedMetrics::default()).await?;
        let writer = opened.writer.clone();
        let (stop, stopped) = oneshot::channel();
        let work = opened.run(
            async {
                let _ = stopped.await;
            },
            Duration::from_secs(30),
        );
        let task = tokio::task::spawn_local(work);
        *self.open.borrow_mut() = Some(Open { writer: writer.clone(), stop, task });
        Ok(writer)
    }

    /// Writes rows, those that `wanted` names, and returns when they are accepted: from then on a kill loses none.
    pub async fn write(&self, kind: Kind, rows: &Rows, wanted: &[bool]) -> Result<(), BackfillError> {
        let writer = self.open().await?;
        let broken = |what: String| BackfillError::new(ErrorKind::Platform, what);
        for (count, index) in (0..rows.len()).filter(|index| wanted[*index]).enumerate() {
            if count % AT_ONCE == 0 {
                tokio::task::yield_now().await;
                self.room(&writer).await?;
            }
            let event = Event::decode(kind, &mut Reader::new(rows.row(index)))
                .map_err(|error| broken(format!("a row that was just encoded does not decode: {error}")))?;
            writer.borrow_mut().event(&event);
        }
        let until = Instant::now() + self.land_within;
        while !writer.borrow_mut().cut_all() {
            if Instant::now() >= until {
                return Err(broken("the spool's disk takes no more; make room below the data directory".to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Returns when the spool takes more.
    async fn room(&self, writer: &Rc<RefCell<Writer>>) -> Result<(), BackfillError> {
        let until = Instant::now() + self.land_within;
        while !writer.borrow().has_room() {
            self.check().await?;
            if Instant::now() >= until {
                return Err(self.not_landed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Returns when everything that was written has landed.
    pub async fn landed(&self) -> Result<(), BackfillError> {
        let Some(writer) = self.open.borrow().as_ref().map(|open| open.writer.clone()) else { return Ok(()) };
        // A fill of years is an insert for each day: patience lasts for as long as something lands.
        let (mut until, mut landed) = (Instant::now() + self.land_within, 0);
        while !writer.borrow().has_landed() {
            self.check().await?;
            let total = writer.borrow_mut().spool().landed_total();
            if total != landed {
                (until, landed) = (Instant::now() + self.land_within, total);
            }
            if Instant::now() >= until {
                return Err(self.not_landed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn not_landed(&self) -> BackfillError {
        let message = format!(
            "the rows are accepted but nothing has landed for {:?}; see whether the loader and the warehouse run \
             (`kt status`), then run the backfill again",
            self.land_within
        );
        BackfillError::new(ErrorKind::Platform, message)
    }

    /// The error of the writer's task, where it has ended.
    async fn check(&self) -> Result<(), BackfillError> {
        let has_ended = self.open.borrow().as_ref().is_some_and(|open| open.task.is_finished());
        let ended = if has_ended { self.open.borrow_mut().take() } else { None };
        match ended {
            Some(open) => Err(match open.task.await {
                Ok(Err(error)) => error.into(),
                _ => BackfillError::new(ErrorKind::Platform, "the backfill's writer has ended; see the log"),
            }),
            None => Ok(()),
        }
    }

    /// Ends the writer in order.
    pub async fn close(&self) -> Result<(), BackfillError> {
        let open = self.open.borrow_mut().take();
        let Some(open) = open else { return Ok(()) };
        let _ = open.stop.send(());
        match open.task.await {
            Ok(outcome) => outcome.map_err(BackfillError::from),
            Err(error) => Err(BackfillError::new(ErrorKind::Platform, format!("the backfill's writer: {error}"))),
        }
    }
}
