//! The loader's middle: offers blocks to the plan, writes the books, hands out inserts, publishes
//! watermarks.

use std::collections::HashMap;
use std::time::Duration;

use kt_bus::{Bus, LogBlock, LogPosition};
use kt_model::block::BlockError;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::Insert;
use super::error::LoaderError;
use super::fetch::{Fetched, Room};
use super::insert::{COMMENT, options};
use super::intents::{self, IntentRow};
use super::metrics::{KindLabel, LoaderMetrics};
use super::plan::{Admission, Planner};
use super::watermarks::Watermarks;
use crate::client::{Client, ClientError, Options};

/// Done rows wait at most this long for a round whose insert they can share.
const BOOKS_WAIT: Duration = Duration::from_millis(800);
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// See the module.
pub(super) struct Coordinator {
    pub bus: Bus,
    pub client: Client,
    pub metrics: LoaderMetrics,
    pub planner: Planner,
    pub room: Room,
    pub fence: u64,
    pub inserters: usize,
    pub inserts: mpsc::Sender<Insert>,
    pub landed_position: watch::Sender<Option<LogPosition>>,
    pub watermarks: Watermarks,
    /// Rows of the books of inserts that are being made.
    pub flying: HashMap<u64, Vec<IntentRow>>,
    /// Rows of the books that say an insert is done, not yet written.
    pub done: Vec<IntentRow>,
    pub done_since: Option<Instant>,
    pub started: Instant,
}

impl Coordinator {
    /// Works until `stop`, then lands what it holds.
    pub async fn run(
        mut self,
        mut fetched: mpsc::Receiver<Fetched>,
        mut landed: mpsc::Receiver<Insert>,
        stop: CancellationToken,
    ) -> Result<(), LoaderError> {
        self.publish_all().await;
        loop {
            let wake = self.wake();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(insert) = landed.recv() => self.settle(insert).await,
                item = fetched.recv() => match item {
                    Some(item) => self.take(item).await,
                    None => return Err(LoaderError::PartEnded("reader of the log")),
                },
                () = tokio::time::sleep_until(wake) => {}
            }
            if self.planner.flying() < self.inserters {
                let inserts = self.planner.cut(self.started.elapsed());
                self.launch(inserts).await?;
            }
            if self.done_since.is_some_and(|since| since.elapsed() >= BOOKS_WAIT) {
                self.write_books(&[]).await?;
            }
        }
        drop(fetched);
        self.finish(&mut landed).await
    }

    fn wake(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(1);
        let due = match self.planner.due() {
            Some(due) if self.planner.flying() < self.inserters => self.started + due,
            _ => far,
        };
        let books = self.done_since.map_or(far, |since| since + BOOKS_WAIT);
        due.min(books).min(far)
    }

    async fn finish(mut self, landed: &mut mpsc::Receiver<Insert>) -> Result<(), LoaderError> {
        let work = async {
            let inserts = self.planner.cut_all();
            self.launch(inserts).await?;
            while !self.planner.is_idle() {
                match landed.recv().await {
                    Some(insert) => self.settle(insert).await,
                    None => return Err(LoaderError::PartEnded("inserters")),
                }
            }
            self.write_books(&[]).await
        };
        match tokio::time::timeout(STOP_WITHIN, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                tracing::warn!("inserts did not end within {STOP_WITHIN:?}; the next start will count them");
                Ok(())
            }
        }
    }

    async fn take(&mut self, item: Fetched) {
        match item {
            Fetched::Block(block) => {
                let (position, waits) = (block.position, self.room.clone());
                let admission = self.planner.would_take(&block.stream(), block.header.number);
                if admission != Admission::Taken {
                    waits.give_back(&block);
                    self.metrics.repeated.inc();
                    tracing::debug!(block = block.header.message_id(), ?position, "a block came again");
                }
                self.planner.offer(*block, self.started.elapsed());
            }
            Fetched::Refused(block, error) => self.refuse(&block, &error).await,
            Fetched::Recreated => {
                self.watermarks.reopen(&self.bus).await;
                self.publish_all().await;
            }
        }
        self.metrics.buffered.set(i64::try_from(self.room.used()).unwrap_or(i64::MAX));
    }

    /// Keeps a block that contradicts its header for people to look at. Its number stays missing, so that
    /// its writer keeps the rows.
    async fn refuse(&mut self, block: &LogBlock, error: &BlockError) {
        let header = &block.header;
        tracing::error!(block = header.message_id(), %error, "a block was refused; its rows stay in its writer's spool");
        self.metrics.refused.inc();
        let subject = kt_model::subject::log(header.kind, &header.venue, &header.writer);
        let mut row = Vec::new();
        for text in [subject.as_str(), &header.writer] {
            kt_model::Field::encode(&text, &mut row);
        }
        kt_model::Field::encode(&header.epoch, &mut row);
        kt_model::Field::encode(&header.kind.as_str(), &mut row);
        kt_model::Field::encode(&header.number, &mut row);
        kt_model::Field::encode(&error.to_string().as_str(), &mut row);
        kt_model::codec::write_length(block.payload.len(), &mut row);
        row.extend_from_slice(&block.payload);
        let columns = ["subject", "writer", "epoch", "kind", "block", "reason", "payload"];
        let sent =
            self.client.insert_row_binary("ops.refused_blocks", Some(&columns), row.into(), &Options::new()).await;
        match sent {
            Ok(_) => self.planner.refused(block.position),
            // Not passed over: the log delivers it again after the next start.
            Err(error) => tracing::error!(%error, "the refused block could not be kept"),
        }
    }

    async fn launch(&mut self, inserts: Vec<Insert>) -> Result<(), LoaderError> {
        if inserts.is_empty() {
            return Ok(());
        }
        let planned: Vec<_> = inserts.iter().flat_map(|insert| IntentRow::planned(insert, self.fence)).collect();
        self.write_books(&planned).await?;
        for row in planned {
            self.flying.entry(row.insert_id()).or_default().push(row.slim());
        }
        for insert in inserts {
            self.inserts.send(insert).await.map_err(|_| LoaderError::PartEnded("inserters"))?;
        }
        Ok(())
    }

    /// Writes planned rows and all done rows that wait, in one insert; tries until it is confirmed.
    async fn write_books(&mut self, planned: &[IntentRow]) -> Result<(), LoaderError> {
        if planned.is_empty() && self.done.is_empty() {
            return Ok(());
        }
        let rows = intents::encode(self.done.iter().chain(planned));
        let mut pause = Duration::from_millis(200);
        loop {
            let options = options(&format!("{COMMENT}books"));
            let sent =
                self.client.insert_row_binary(intents::TABLE, Some(&intents::COLUMNS), rows.clone(), &options).await;
            match sent {
                Ok(_) => break,
                // Rows of the books may stand twice, that does no harm; a refusal of their form would.
                Err(error @ ClientError::Exception(_)) if matters_for_ever(&error) => {
                    return Err(LoaderError::Warehouse { action: "writing ops.intents".to_owned(), cause: error });
                }
                Err(error) => tracing::warn!(%error, "the loader's books could not be written, trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        self.done.clear();
        self.done_since = None;
        Ok(())
    }

    /// An insert is in the warehouse.
    async fn settle(&mut self, insert: Insert) {
        let label = KindLabel { kind: insert.kind.as_str() };
        self.metrics.inserts.get_or_create(&label).inc();
        for block in &insert.blocks {
            self.metrics.rows.get_or_create(&label).inc_by(u64::from(block.header.rows));
            self.metrics.bytes.inc_by(block.payload.len() as u64);
            self.metrics.blocks.get_or_create(&label).inc();
            self.room.give_back(block);
        }
        let now = super::run::now();
        if let Some(newest) = insert.blocks.iter().map(|block| block.newest_publish).max() {
            let lag = now.0.saturating_sub(newest.0);
            self.metrics.lag_seconds.observe(lag as f64 / 1e9);
        }
        let touched = self.planner.landed(insert.id);
        let (position, below) = (self.planner.position(), self.planner.settled_below());
        for row in self.flying.remove(&insert.id).unwrap_or_default() {
            let watermark = self.planner.watermark(row.stream());
            self.done.push(row.done(now, watermark, position, below));
        }
        self.done_since.get_or_insert_with(Instant::now);
        self.metrics.missing.set(i64::try_from(self.planner.missing_blocks()).unwrap_or(i64::MAX));
        self.metrics.buffered.set(i64::try_from(self.room.used()).unwrap_or(i64::MAX));
        self.watermarks.publish(&self.bus, touched).await;
        self.landed_position.send_replace(position);
    }

    async fn publish_all(&mut self) {
        let all: Vec<_> = self.planner.watermarks().map(|(key, mark)| (key.clone(), mark)).collect();
        self.watermarks.publish(&self.bus, all).await;
    }
}

/// Errors of form: unknown table or column, wrong type, no right. Trying again will not mend them.
fn matters_for_ever(error: &ClientError) -> bool {
    matches!(error.code(), Some(16 | 47 | 53 | 60 | 62 | 81 | 497 | 516))
}
