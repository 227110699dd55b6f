//! The bus against a real nats-server: started here, killed here.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod environment;
mod hot;
mod landed;
mod log;
mod permissions;
mod rows;
mod servers;
