//! Giving an environment its part of the durable log, and seeing how far it is.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, push};
use async_nats::jetstream::stream::{External, Source, StreamConsumerSource};
use futures::StreamExt;

use crate::server::{PRODUCTION, consumer_name, deliver_subject};
use crate::{Bus, BusError, LOG_STREAM, LogConfig, LogState, Selection};

/// How far an environment's log is behind the production server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct EnvironmentLag {
    /// Selected blocks that production has not sent yet.
    pub pending: u64,
    /// Blocks that were sent and are not yet known to have been stored.
    pub unconfirmed: u64,
}

fn failed(action: &'static str, cause: impl ToString) -> BusError {
    BusError::Stream { stream: LOG_STREAM, action, cause: cause.to_string() }
}

impl Bus {
    /// Blocks in the log by subject, for the subjects that a filter covers.
    ///
    /// # Errors
    /// [`BusError::Stream`] when there is no log or the server does not answer.
    pub async fn log_subjects(&self, filter: &str) -> Result<BTreeMap<String, u64>, BusError> {
        let action = "counting its blocks";
        let stream = self.context.get_stream(LOG_STREAM).await.map_err(|error| failed(action, error))?;
        let mut info = stream.info_with_subjects(filter).await.map_err(|error| failed(action, error))?;
        let mut subjects = BTreeMap::new();
        while let Some(entry) = info.next().await {
            let (subject, blocks) = entry.map_err(|error| failed(action, error))?;
            subjects.insert(subject, blocks as u64);
        }
        Ok(subjects)
    }

    /// On production: makes the consumer that sends the selection to the environment, anew where the selection
    /// changed. The environment can only ask it to begin again.
    ///
    /// # Errors
    /// [`BusError::Stream`] when the server refuses.
    pub async fn offer_log(&self, environment: &str, selection: &Selection) -> Result<(), BusError> {
        let action = "making the consumer of an environment";
        let stream = self.context.get_stream_no_info(LOG_STREAM).await.map_err(|error| failed(action, error))?;
        let name = consumer_name(environment);
        let config = push::Config {
            durable_name: Some(name.clone()),
            name: Some(name.clone()),
            description: Some(format!("Sends {selection} to the environment {environment}")),
            deliver_subject: deliver_subject(environment),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::FlowControl,
            flow_control: true,
            idle_heartbeat: Duration::from_secs(1),
            max_deliver: -1,
            filter_subjects: selection.log_subjects(),
            ..push::Config::default()
        };
        match stream.create_consumer(config.clone()).await {
            Ok(_) => Ok(()),
            Err(first) => {
                // One with another selection stands there: what it has sent counts for nothing.
                stream.delete_consumer(&name).await.map_err(|_| failed(action, &first))?;
                stream.create_consumer(config).await.map(drop).map_err(|error| failed(action, error))
            }
        }
    }

    /// On production: takes the consumer away.
    ///
    /// # Errors
    /// [`BusError::Stream`] when the server does not answer; that there is none is no error.
    pub async fn withdraw_log(&self, environment: &str) -> Result<(), BusError> {
        let action = "removing the consumer of an environment";
        let stream = self.context.get_stream_no_info(LOG_STREAM).await.map_err(|error| failed(action, error))?;
        match stream.delete_consumer(&consumer_name(environment)).await {
            Ok(_) => Ok(()),
            Err(error) if error.to_string().contains("not found") => Ok(()),
            Err(error) => Err(failed(action, error)),
        }
    }

    /// On production: how far the environment is behind; `None` when nothing is offered to it.
    ///
    /// # Errors
    /// [`BusError::Stream`] when the server does not answer.
    pub async fn environment_lag(&self, environment: &str) -> Result<Option<EnvironmentLag>, BusError> {
        let action = "looking at the consumer of an environment";
        let stream = self.context.get_stream_no_info(LOG_STREAM).await.map_err(|error| failed(action, error))?;
        match stream.consumer_info(consumer_name(environment)).await {
            Ok(info) => {
                Ok(Some(EnvironmentLag { pending: info.num_pending, unconfirmed: info.num_ack_pending as u64 }))
            }
            Err(error) if error.to_string().contains("not found") => Ok(None),
            Err(error) => Err(failed(action, error)),
        }
    }

    /// In an environment: makes the log that production's consumer fills.
    ///
    /// # Errors
    /// [`BusError::Stream`] when the server refuses.
    pub async fn ensure_mirrored_log(&self, config: &LogConfig, environment: &str) -> Result<LogState, BusError> {
        let action = "making the log of an environment";
        let mut wanted = config.stream();
        wanted.sources = Some(vec![Source {
            name: LOG_STREAM.to_owned(),
            external: Some(External { api_prefix: format!("JS.{PRODUCTION}.API"), delivery_prefix: None }),
            consumer: Some(StreamConsumerSource::new(consumer_name(environment), deliver_subject(environment))),
            ..Source::default()
        }]);
        let stream = self.context.get_or_create_stream(wanted).await.map_err(|error| failed(action, error))?;
        Ok(LogState::of(stream.cached_info()))
    }
}
