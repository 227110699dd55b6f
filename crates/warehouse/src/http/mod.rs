//! ClickHouse's HTTP protocol over the in-process engine.
//!
//! Enough of it that clickhouse-connect, dbt-clickhouse, the Rust `clickhouse` crate and Grafana's
//! data source work unchanged: statement in the address or the body, settings and `param_*` as
//! parameters, sessions, all compressions in both directions, results streamed with exceptions
//! in-band. A query is killed by its id with
//! `KILL QUERY WHERE Settings['log_comment'] = '<query id>'`.

mod access;
mod body;
mod connection;
mod encoding;
mod lexer;
mod metrics;
mod native;
mod output;
mod parts;
mod reply;
mod request;
mod run;
mod server;
mod session;
mod settings;
mod statement;
mod users;

pub(crate) use connection::{Connections, Flushes};
pub use server::Server;
pub(crate) use server::accounts;
