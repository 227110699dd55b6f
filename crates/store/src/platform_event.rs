//! The history of the platform's services.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{Error, Store};

/// What happened to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Its process was started.
    Started,
    /// It answered its health check for the first time since it started, or again.
    Healthy,
    /// It stopped answering its health check.
    Unhealthy,
    /// Its process ended without being asked to.
    Exited,
    /// It was stopped on request.
    Stopped,
    /// A one-shot service did its work.
    Finished,
}

impl EventKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Exited => "exited",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Started, Self::Healthy, Self::Unhealthy, Self::Exited, Self::Stopped, Self::Finished];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformEvent {
    /// When it happened.
    pub happened_at: SystemTime,
    /// The supervisor's run it belongs to.
    pub run: String,
    /// The service's name.
    pub service: String,
    /// What happened.
    pub kind: EventKind,
    /// Why, in words.
    pub cause: String,
    /// The process it happened to.
    pub pid: Option<u32>,
    /// How often the service had been restarted in this run.
    pub restarts: u32,
}

impl Store {
    /// Adds one event.
    ///
    /// # Errors
    /// [`Error::Query`] if the server refuses it.
    pub async fn record_event(&self, event: &PlatformEvent) -> Result<(), Error> {
        let insert = "INSERT INTO platform_event (happened_at, run, service, kind, cause, pid, restarts)
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let pid = event.pid.and_then(|pid| i32::try_from(pid).ok());
        let restarts = i32::try_from(event.restarts).unwrap_or(i32::MAX);
        self.client
            .execute(
                insert,
                &[&event.happened_at, &event.run, &event.service, &event.kind.as_str(), &event.cause, &pid, &restarts],
            )
            .await
            .map_err(Error::query("recording a platform event"))?;
        Ok(())
    }

    /// The latest events, oldest first; rows of a kind this release does not know are left out.
    ///
    /// # Errors
    /// [`Error::Query`] if the server refuses.
    pub async fn latest_events(&self, limit: u32) -> Result<Vec<PlatformEvent>, Error> {
        let select = "SELECT happened_at, run, service, kind, cause, pid, restarts
                      FROM platform_event ORDER BY happened_at DESC, id DESC LIMIT $1";
        let rows =
            self.client.query(select, &[&i64::from(limit)]).await.map_err(Error::query("reading platform events"))?;
        let mut events: Vec<_> = rows
            .into_iter()
            .filter_map(|row| {
                Some(PlatformEvent {
                    happened_at: row.get(0),
                    run: row.get(1),
                    service: row.get(2),
                    kind: EventKind::parse(row.get(3))?,
                    cause: row.get(4),
                    pid: row.get::<_, Option<i32>>(5).and_then(|pid| u32::try_from(pid).ok()),
                    restarts: u32::try_from(row.get::<_, i32>(6)).unwrap_or(0),
                })
            })
            .collect();
        events.reverse();
        Ok(events)
    }
}
