//! The hot path's receiver.

use async_nats::Subscriber;
use bytes::Bytes;
use futures::StreamExt;
use kt_model::schema::Kind;

use crate::{Bus, BusError, CounterGap, CounterGaps};

/// One row as it arrived.
#[derive(Clone, Debug)]
pub struct HotMessage {
    /// Kind of the row.
    pub kind: Kind,
    /// Version of the kind's columns.
    pub version: u16,
    /// The row.
    pub payload: Bytes,
    /// Rows of the same writer that are missing before this one. Always `None` on a subscription to
    /// a part of a writer's subjects, where holes are normal.
    pub missing: Option<CounterGap>,
}

/// Receives rows. What arrives faster than it is taken is dropped by the client and shows as a gap.
pub struct HotSubscriber {
    subscriber: Subscriber,
    subject: String,
    gaps: Option<CounterGaps>,
    unreadable: u64,
}

impl Bus {
    /// Subscribes to all rows of one venue, or of all venues: every kind and instrument, so that holes
    /// in the writers' counters are losses.
    ///
    /// # Errors
    /// [`BusError::Subscribe`] when the client is closed.
    pub async fn subscribe_venue(&self, venue: Option<&str>) -> Result<HotSubscriber, BusError> {
        let venue = venue.map_or_else(
            || "*".to_owned(),
            |name| {
                let mut token = String::new();
                kt_model::subject::push_token(name, &mut token);
                token
            },
        );
        self.subscribe(format!("md.v1.*.{venue}.*"), Some(CounterGaps::default())).await
    }

    /// Subscribes to a part: one kind, one instrument, or both (`None` means all). Losses cannot be seen.
    ///
    /// # Errors
    /// [`BusError::Subscribe`] when the client is closed.
    pub async fn subscribe_part(
        &self,
        kind: Option<Kind>,
        venue: &str,
        instrument: Option<&str>,
    ) -> Result<HotSubscriber, BusError> {
        let mut subject = format!("md.v1.{}.", kind.map_or("*", Kind::as_str));
        kt_model::subject::push_token(venue, &mut subject);
        subject.push('.');
        match instrument {
            Some(instrument) => kt_model::subject::push_token(instrument, &mut subject),
            None => subject.push('*'),
        }
        self.subscribe(subject, None).await
    }

    async fn subscribe(&self, subject: String, gaps: Option<CounterGaps>) -> Result<HotSubscriber, BusError> {
        let failed = |cause: String| BusError::Subscribe { subject: subject.clone(), cause };
        let subscriber = self.client.subscribe(subject.clone()).await.map_err(|error| failed(error.to_string()))?;
        // The server must know the subscription before the caller lets anyone publish.
        self.client.flush().await.map_err(|error| failed(error.to_string()))?;
        Ok(HotSubscriber { subscriber, subject, gaps, unreadable: 0 })
    }
}

impl HotSubscriber {
    /// The next row.
    ///
    /// # Errors
    /// [`BusError::Subscribe`] when the subscription ended.
    pub async fn next(&mut self) -> Result<HotMessage, BusError> {
        loop {
            let message = self.subscriber.next().await.ok_or_else(|| BusError::Subscribe {
                subject: self.subject.clone(),
                cause: "it ended with the connection".to_owned(),
            })?;
            if let Some(message) = self.read(message) {
                return Ok(message);
            }
            self.unreadable += 1;
            if self.unreadable == 1 {
                tracing::warn!(subject = self.subject, "a message without a readable Kt-Schema header or row");
            }
        }
    }

    /// Messages passed over because they were no rows.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    fn read(&mut self, message: async_nats::Message) -> Option<HotMessage> {
        let (kind, version) = message.headers.as_ref()?.get("Kt-Schema")?.as_str().split_once('/')?;
        let missing = match &mut self.gaps {
            Some(gaps) => gaps.observe(&message.payload).ok()?,
            None => None,
        };
        let kind = Kind::from_name(kind)?;
        Some(HotMessage { kind, version: version.parse().ok()?, payload: message.payload, missing })
    }
}
