//! Database migrations that Flyway can take over, and that can take over from Flyway.
//!
//! File names, checksums and the history table follow Flyway 13, so that one directory of SQL
//! files serves `kt migrate` on one machine and Flyway on a cluster. The crate knows no database:
//! `kt-store` and `kt-warehouse` implement [`Target`] for PostgreSQL and ClickHouse.

#![forbid(unsafe_code)]

mod checksum;
mod error;
mod migrator;
mod name;
mod plan;
mod set;
mod statements;

pub use checksum::checksum;
pub use error::{Error, Problem, TargetError};
pub use migrator::{Migrator, Options, Outcome, Target};
pub use name::{ScriptName, Version};
pub use plan::{Entry, Row, State};
pub use set::{Migration, MigrationSet};
pub use statements::split_statements;

/// The history table's name, Flyway's default.
pub const HISTORY_TABLE: &str = "flyway_schema_history";
