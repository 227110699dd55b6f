//! Requests and answers of operations: `ops.v1.<topic>.<service>`, JSON both ways.

use std::time::Duration;

use async_nats::Subscriber;
use async_nats::client::RequestErrorKind;
use futures::StreamExt;
use kt_model::subject;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Bus, BusError};

/// How long a service without listeners counts as one that is starting.
const STARTING: Duration = Duration::from_secs(1);

/// Receives the requests of one topic for one service.
pub struct OperationsService {
    bus: Bus,
    subscriber: Subscriber,
}

/// A request to be answered.
pub struct OperationsRequest {
    bus: Bus,
    payload: bytes::Bytes,
    reply: Option<async_nats::Subject>,
}

impl Bus {
    /// Asks `service` and waits for its answer.
    ///
    /// # Errors
    /// [`BusError::Publish`] when nobody listens or the answer is not of type `A`, [`BusError::Timeout`]
    /// when it takes longer than `within`.
    pub async fn request<Q: Serialize, A: DeserializeOwned>(
        &self,
        topic: &str,
        service: &str,
        question: &Q,
        within: Duration,
    ) -> Result<A, BusError> {
        let subject = subject::operations(topic, service);
        let failed = |cause: String| BusError::Publish { subject: subject.clone(), cause };
        let payload = serde_json::to_vec(question).map_err(|error| failed(error.to_string()))?;
        let started = tokio::time::Instant::now();
        let asked = async {
            loop {
                match self.client.request(subject.clone(), payload.clone().into()).await {
                    // The service may be starting: the server does not know its subscription yet.
                    Err(error) if error.kind() == RequestErrorKind::NoResponders && started.elapsed() < STARTING => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    answer => return answer,
                }
            }
        };
        let answer = tokio::time::timeout(within, asked)
            .await
            .map_err(|_| BusError::Timeout { what: "a request", after: within })?
            .map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&answer.payload).map_err(|error| failed(error.to_string()))
    }

    /// Announces something to whoever listens, without an answer.
    ///
    /// # Errors
    /// [`BusError::Publish`] when the client is closed.
    pub async fn announce<Q: Serialize>(&self, topic: &str, service: &str, what: &Q) -> Result<(), BusError> {
        let subject = subject::operations(topic, service);
        let failed = |cause: String| BusError::Publish { subject: subject.clone(), cause };
        let payload = serde_json::to_vec(what).map_err(|error| failed(error.to_string()))?;
        self.client.publish(subject.clone(), payload.into()).await.map_err(|error| failed(error.to_string()))
    }

    /// Listens to the requests on one topic for `service`.
    ///
    /// # Errors
    /// [`BusError::Subscribe`] when the client is closed.
    pub async fn answer(&self, topic: &str, service: &str) -> Result<OperationsService, BusError> {
        let subject = subject::operations(topic, service);
        let failed = |cause: String| BusError::Subscribe { subject: subject.clone(), cause };
        let subscriber = self.client.subscribe(subject.clone()).await.map_err(|error| failed(error.to_string()))?;
        self.client.flush().await.map_err(|error| failed(error.to_string()))?;
        Ok(OperationsService { bus: self.clone(), subscriber })
    }
}

impl OperationsService {
    /// The next request; `None` when the connection ended for good.
    pub async fn next(&mut self) -> Option<OperationsRequest> {
        let message = self.subscriber.next().await?;
        Some(OperationsRequest { bus: self.bus.clone(), payload: message.payload, reply: message.reply })
    }
}

impl OperationsRequest {
    /// What is asked.
    ///
    /// # Errors
    /// When the request is not of type `Q`; the text says why.
    pub fn question<Q: DeserializeOwned>(&self) -> Result<Q, String> {
        serde_json::from_slice(&self.payload).map_err(|error| error.to_string())
    }

    /// Answers; does nothing where the other side waits for none.
    ///
    /// # Errors
    /// [`BusError::Publish`] when the client is closed.
    pub async fn answer<A: Serialize>(&self, answer: &A) -> Result<(), BusError> {
        let Some(reply) = self.reply.clone() else { return Ok(()) };
        let failed = |cause: String| BusError::Publish { subject: reply.to_string(), cause };
        let payload = serde_json::to_vec(answer).map_err(|error| failed(error.to_string()))?;
        self.bus.client.publish(reply.clone(), payload.into()).await.map_err(|error| failed(error.to_string()))
    }
}
