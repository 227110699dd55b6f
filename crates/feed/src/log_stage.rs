//! From the spool to the durable log.
//!
//! The spool is read block by block; the bus keeps a bounded window in flight. When the log lost what it
//! held, reading begins again at the first block that has not landed.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use kt_bus::{Bus, BusError, LandedKey, LogConfig, LogPublisher, PublishEvent, PublisherConfig};
use kt_model::schema::Kind;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::FeedError;
use crate::landed_follower::LandedFollower;
use crate::metrics::{CauseLabel, FeedMetrics, VenueLabel};
use crate::spool::Cursor;
use crate::writer::Writer;

/// Topic on which a writer is asked to publish again what has not landed.
pub const REPUBLISH_TOPIC: &str = "republish";

/// Answer to a request on [`REPUBLISH_TOPIC`] (the question is `null`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Republished {
    /// Epoch of the writer that answers.
    pub epoch: u32,
    /// Bytes in its spool, landed or not.
    pub spool_bytes: u64,
}

/// How the log stage works.
#[derive(Clone, Debug, Default)]
pub struct LogStageConfig {
    /// Limits of the stream, should it have to be created.
    pub log: LogConfig,
    /// Bounds of the publisher.
    pub publisher: PublisherConfig,
}

/// Publishes what one writer spools.
pub(crate) struct LogStage {
    bus: Bus,
    config: LogStageConfig,
    writer: Rc<RefCell<Writer>>,
    name: String,
    venue: String,
    publisher: LogPublisher,
    cursor: Cursor,
    /// Blocks before this place were published before.
    again_until: Cursor,
    appended: Rc<Notify>,
    metrics: FeedMetrics,
    /// When to try again to make the lost stream anew.
    restore_at: Option<Instant>,
}

enum Happening {
    Published(Result<PublishEvent, BusError>),
    Landed((LandedKey, u64)),
    Asked(Option<Box<kt_bus::OperationsRequest>>),
    Appended,
    Restore,
}

impl LogStage {
    /// For a writer whose spool may hold blocks of earlier epochs; these are published first.
    pub async fn new(
        bus: &Bus,
        config: LogStageConfig,
        writer: Rc<RefCell<Writer>>,
        appended: Rc<Notify>,
        metrics: FeedMetrics,
    ) -> Result<Self, FeedError> {
        let identity = writer.borrow().identity().clone();
        let publisher = LogPublisher::new(bus, &identity.venue, &identity.writer, config.publisher.clone()).await?;
        Ok(Self {
            bus: bus.clone(),
            config,
            writer,
            name: identity.writer,
            venue: identity.venue,
            publisher,
            cursor: Cursor::default(),
            again_until: Cursor::default(),
            appended,
            metrics,
            restore_at: None,
        })
    }

    /// Works until the future is dropped.
    pub async fn run(&mut self) -> Result<(), FeedError> {
        let (sender, mut landed) = mpsc::channel(256);
        // On its own: whatever happens here must not interrupt the opening of a watch.
        let follower = LandedFollower::new(&self.bus, &self.name).run(sender);
        let _follower = AbortOnDrop(tokio::task::spawn_local(follower));
        let mut requests = self.bus.answer(REPUBLISH_TOPIC, &self.name).await?;
        loop {
            self.send_what_waits().await?;
            let appended = self.appended.clone();
            let happening = tokio::select! {
                event = self.publisher.next() => Happening::Published(event),
                Some(change) = landed.recv() => Happening::Landed(change),
                request = requests.next() => Happening::Asked(request.map(Box::new)),
                () = appended.notified(), if self.publisher.has_room() => Happening::Appended,
                () = until(self.restore_at) => Happening::Restore,
            };
            match happening {
                Happening::Published(event) => self.published(event?),
                Happening::Landed((key, block)) => self.landed(&key, block)?,
                Happening::Asked(Some(request)) => self.asked(&request).await?,
                Happening::Asked(None) => return Err(BusError::Closed.into()),
                Happening::Appended => {}
                Happening::Restore => self.restore().await,
            }
        }
    }

    /// Publishes the rest and waits for its acknowledgements.
    pub async fn finish(&mut self, within: Duration) -> Result<(), FeedError> {
        let end = Instant::now() + within;
        let rest = async {
            loop {
                if self.restore_at.is_some() {
                    self.restore().await;
                }
                self.send_what_waits().await?;
                if self.publisher.in_flight() == 0 {
                    return Ok::<(), FeedError>(());
                }
                let event = self.publisher.next().await?;
                self.published(event);
            }
        };
        match tokio::time::timeout_at(end, rest).await {
            Ok(outcome) => outcome,
            Err(_) => Err(BusError::Timeout { what: "publishing the last blocks", after: within }.into()),
        }
    }

    async fn send_what_waits(&mut self) -> Result<(), FeedError> {
        while self.publisher.has_room() {
            let block = self.writer.borrow_mut().spool().read(&mut self.cursor)?;
            let Some((header, payload)) = block else { return Ok(()) };
            let sent = if self.cursor <= self.again_until {
                self.publisher.send_again(&header, payload).await
            } else {
                self.publisher.send(&header, payload).await
            };
            match sent {
                Ok(()) => {}
                Err(error @ BusError::TooLarge { .. }) => {
                    // Cannot come from this program's writer, only from a server with a smaller limit.
                    // The block stays in the spool: raise the server's limit, restart, and it is published.
                    tracing::error!(%error, block = header.message_id(), "the log's server refuses a block");
                    self.count_rewind("too_large");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn published(&mut self, event: PublishEvent) {
        let label = VenueLabel { venue: self.venue.clone() };
        match event {
            PublishEvent::Acknowledged { .. } => {
                self.metrics.log_acknowledged.get_or_create(&label).inc();
            }
            PublishEvent::Resent { blocks, cause } => {
                let label = CauseLabel { venue: self.venue.clone(), cause };
                self.metrics.log_resent.get_or_create(&label).inc_by(blocks as u64);
                tracing::warn!(writer = self.name, blocks, cause, "blocks sent to the log again");
            }
            PublishEvent::Refused { cause } => {
                tracing::error!(writer = self.name, cause, "the log refuses blocks, they wait in the spool");
            }
            PublishEvent::StreamMissing => {
                tracing::error!(writer = self.name, "the log's stream is gone, it is made anew from the spool");
                self.restore_at.get_or_insert_with(Instant::now);
            }
            PublishEvent::SequenceRestarted { before, now } => {
                tracing::error!(
                    writer = self.name,
                    before,
                    now,
                    "the log lost its blocks, it is filled from the spool"
                );
                self.rewind("sequence_restarted");
            }
        }
    }

    /// Makes the stream anew and publishes again all that has not landed.
    async fn restore(&mut self) {
        match self.bus.ensure_log(&self.config.log).await {
            Ok(_) => {
                self.restore_at = None;
                self.rewind("stream_missing");
            }
            Err(error) => {
                tracing::warn!(%error, "the log's stream cannot be made anew yet");
                self.restore_at = Some(Instant::now() + Duration::from_millis(500));
            }
        }
    }

    fn rewind(&mut self, cause: &'static str) {
        self.again_until = self.cursor.max(self.again_until);
        self.cursor = Cursor::default();
        self.count_rewind(cause);
    }

    fn count_rewind(&self, cause: &'static str) {
        self.metrics.log_rewinds.get_or_create(&CauseLabel { venue: self.venue.clone(), cause }).inc();
    }

    fn landed(&mut self, key: &LandedKey, block: u64) -> Result<(), FeedError> {
        self.writer.borrow_mut().spool().landed(key.epoch, key.kind, block)
    }

    async fn asked(&mut self, request: &kt_bus::OperationsRequest) -> Result<(), FeedError> {
        tracing::warn!(writer = self.name, "asked to publish again what has not landed");
        self.rewind("request");
        let (epoch, spool_bytes) = {
            let mut writer = self.writer.borrow_mut();
            (writer.identity().epoch, writer.spool().bytes())
        };
        request.answer(&Republished { epoch, spool_bytes }).await.map_err(FeedError::from)
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The largest epoch that the log or the watermark knows of this writer.
pub(crate) async fn epoch_in_log(bus: &Bus, venue: &str, writer: &str) -> Result<u32, FeedError> {
    let mut epoch = 0;
    for kind in Kind::ALL {
        epoch = bus.last_block(*kind, venue, writer).await?.map_or(epoch, |header| header.epoch.max(epoch));
    }
    let landed = bus.landed().await?.of_writer(writer).await?;
    Ok(landed.keys().map(|key| key.epoch).fold(epoch, u32::max))
}
