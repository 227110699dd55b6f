//! From the outlet to the durable log: a bounded window in flight for each venue's writer.

use std::time::Duration;

use futures::FutureExt;
use kt_bus::{Accepted, Bus, LandedKey, LogConfig, LogPublisher, PublishEvent, PublisherConfig};
use kt_model::Kind;

use crate::error::JournalError;
use crate::outlet::Outlet;

/// What happened to the blocks so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Blocks that the log confirmed.
    pub acknowledged: u64,
    /// Blocks that were sent again.
    pub resent: u64,
    /// Times that the log refused a block.
    pub refused: u64,
}

/// A venue's writer and how far it has come.
struct Writer {
    publisher: LogPublisher,
    name: String,
    /// Last counter of each block in flight, by block number, ascending.
    in_flight: Vec<(u64, u64, bool)>,
    /// Every row up to this counter is in the log.
    logged: u64,
    told: u64,
}

/// Sends what an [`Outlet`] makes ready.
pub struct OutletPublisher {
    bus: Bus,
    log: LogConfig,
    kind: Kind,
    epoch: u32,
    writers: Vec<Writer>,
    accepted: Accepted,
    counts: Counts,
}

impl OutletPublisher {
    /// For the blocks of `kind` under the journal's epoch.
    ///
    /// # Errors
    /// [`JournalError::Bus`] when the log cannot be made or its bucket not be opened.
    pub async fn open(bus: &Bus, log: LogConfig, kind: Kind, epoch: u32) -> Result<Self, JournalError> {
        bus.ensure_log(&log).await?;
        let accepted = bus.accepted().await?;
        let bus = bus.clone();
        Ok(Self { bus, log, kind, epoch, writers: Vec::new(), accepted, counts: Counts::default() })
    }

    /// The last block of a venue's writer that need not be sent any more: the log holds it, or it has landed.
    ///
    /// # Errors
    /// [`JournalError::Bus`] when messaging does not answer.
    pub async fn logged(&self, venue: &str, writer: &str) -> Result<u64, JournalError> {
        let last = self.bus.last_block(self.kind, venue, writer).await?;
        let logged = last.filter(|header| header.epoch == self.epoch).map_or(0, |header| header.number);
        let key = LandedKey { writer: writer.to_owned(), epoch: self.epoch, kind: self.kind };
        let landed = self.bus.landed().await?.get(&key).await?.unwrap_or(0);
        Ok(logged.max(landed))
    }

    /// Sends what is ready as far as the windows go, and takes the confirmations that have come. Never waits
    /// for the log.
    ///
    /// # Errors
    /// [`JournalError::LogLost`] when the log lost what it held; [`JournalError::Bus`] when the connection ended.
    pub async fn pump(&mut self, outlet: &mut Outlet) -> Result<(), JournalError> {
        for place in 0..self.writers.len() {
            while let Some(event) = self.writers[place].publisher.next().now_or_never() {
                self.happened(place, event?).await?;
            }
        }
        while let Some(ready) = outlet.peek_ready() {
            let place = ready.writer;
            while self.writers.len() <= place {
                let writer = &outlet.writers()[self.writers.len()];
                let config = PublisherConfig::default();
                let publisher = LogPublisher::new(&self.bus, &writer.venue, &writer.name, config).await?;
                let name = writer.name.clone();
                self.writers.push(Writer { publisher, name, in_flight: Vec::new(), logged: 0, told: 0 });
            }
            let writer = &mut self.writers[place];
            if !writer.publisher.has_room() {
                return Ok(());
            }
            let Some(ready) = outlet.pop_ready() else { return Ok(()) };
            writer.in_flight.push((ready.header.number, ready.header.last_counter, false));
            writer.publisher.send(&ready.header, ready.payload).await?;
        }
        Ok(())
    }

    /// Sends the rest and waits until all is confirmed.
    ///
    /// # Errors
    /// As [`Self::pump`]; also when it takes longer than `within`. What is not confirmed is derived again.
    pub async fn finish(&mut self, outlet: &mut Outlet, within: Duration) -> Result<(), JournalError> {
        let rest = async {
            loop {
                self.pump(outlet).await?;
                let in_flight: usize = self.writers.iter().map(|writer| writer.publisher.in_flight()).sum();
                if in_flight == 0 && outlet.waiting() == 0 {
                    return self.tell().await;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        match tokio::time::timeout(within, rest).await {
            Ok(outcome) => outcome,
            Err(_) => Err(kt_bus::BusError::Timeout { what: "publishing the last blocks", after: within }.into()),
        }
    }

    /// Tells the audit how far each writer's rows are in the log. Call about once a second.
    ///
    /// # Errors
    /// [`JournalError::Bus`] when the server does not confirm it.
    pub async fn tell(&mut self) -> Result<(), JournalError> {
        for writer in &mut self.writers {
            if writer.logged > writer.told {
                self.accepted.put(&writer.name, self.epoch, writer.logged).await?;
                writer.told = writer.logged;
            }
        }
        Ok(())
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    async fn happened(&mut self, place: usize, event: PublishEvent) -> Result<(), JournalError> {
        let writer = &mut self.writers[place];
        match event {
            PublishEvent::Acknowledged { block, .. } => {
                self.counts.acknowledged += 1;
                if let Some(entry) = writer.in_flight.iter_mut().find(|(number, ..)| *number == block.number) {
                    entry.2 = true;
                }
                while let Some((_, last, true)) = writer.in_flight.first() {
                    writer.logged = *last;
                    writer.in_flight.remove(0);
                }
            }
            PublishEvent::Resent { blocks, cause } => {
                self.counts.resent += blocks as u64;
                tracing::warn!(writer = writer.name, blocks, cause, "blocks sent to the log again");
            }
            PublishEvent::Refused { cause } => {
                self.counts.refused += 1;
                tracing::error!(writer = writer.name, cause, "the log refuses blocks");
            }
            PublishEvent::StreamMissing => {
                tracing::error!(writer = writer.name, "the log's stream is gone");
                self.bus.ensure_log(&self.log).await?;
                return Err(JournalError::LogLost);
            }
            PublishEvent::SequenceRestarted { .. } => return Err(JournalError::LogLost),
        }
        Ok(())
    }
}
