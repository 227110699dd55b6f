//! The hot path through the general client: what [`crate::HotPublisher`] is measured against. Only with
//! the feature `comparison`, and only for the benchmark.

use async_nats::{Client, HeaderMap, Subject};
use bytes::Bytes;
use kt_model::schema::Kind;
use kt_model::subject;

use crate::{Bus, BusError, Route};

/// Publishes rows by the client's own `publish_with_headers`, used as well as it can be: subjects and
/// header maps are prepared once.
pub struct ClientPublisher {
    client: Client,
    routes: Vec<(Subject, HeaderMap)>,
}

impl ClientPublisher {
    /// Over the connection of `bus`.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self { client: bus.client.clone(), routes: Vec::new() }
    }

    /// As [`crate::HotPublisher::route`].
    pub fn route(&mut self, kind: Kind, venue: &str, instrument: &str) -> Route {
        let mut headers = HeaderMap::new();
        headers.insert("Kt-Schema", kind.schema().tag().as_str());
        self.routes.push((Subject::from(subject::hot(kind, venue, instrument)), headers));
        Route::at(self.routes.len() - 1)
    }

    /// Hands one row to the client's connection task; waits while its queue is full.
    ///
    /// # Errors
    /// [`BusError::Publish`] when the client is closed.
    pub async fn publish(&self, route: Route, row: &[u8]) -> Result<(), BusError> {
        let (subject, headers) = &self.routes[route.index()];
        let sent = self.client.publish_with_headers(subject.clone(), headers.clone(), Bytes::copy_from_slice(row));
        sent.await.map_err(|error| BusError::Publish { subject: subject.to_string(), cause: error.to_string() })
    }
}
