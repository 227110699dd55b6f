//! Alerts: one rules file in Prometheus' own format, evaluated here on one machine and by Prometheus on a cluster.
//!
//! [`rules`], [`expression`], [`evaluate`] and [`state`] are pure: a rule is a function of samples and a moment.
//! [`service`] brings the samples (`/metrics` of every service, and what [`probes`] ask of the warehouse), writes what
//! changed to `ops.alerts` and delivers it to webhooks in Alertmanager's format.

#![forbid(unsafe_code)]

pub mod evaluate;
pub mod exposition;
pub mod expression;
mod functions;
mod metrics;
mod parser;
mod probes;
mod record;
pub mod rules;
pub mod series;
mod service;
pub mod state;
mod webhook;

pub use service::{AlertsConfig, Target, metrics_of, run};

/// Labels of a series or an alert.
pub type Labels = std::collections::BTreeMap<String, String>;

/// Alerts cannot be evaluated or served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules file is not what Prometheus would take, or asks for what is not evaluated here.
    #[error("alert rules: {0}")]
    Rules(String),
    /// The warehouse's address cannot be used.
    #[error("alerts: the warehouse's address is wrong: {0}")]
    Warehouse(#[from] kt_warehouse::client::ClientError),
    /// The HTTP client cannot be made.
    #[error("alerts: no HTTP client: {0}")]
    Http(String),
    /// The service's own port.
    #[error("alerts: {0}")]
    Serve(#[from] kt_ops::Error),
}
