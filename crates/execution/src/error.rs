//! Why the service ended.

use kt_bus::BusError;
use kt_journal::JournalError;
use kt_trading::ConfigError;

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// The strategies cannot work.
    #[error("the strategies: {0}")]
    Config(#[from] ConfigError),
    /// The journal or the log.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Messaging.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// PostgreSQL.
    #[error(transparent)]
    Store(#[from] kt_store::Error),
    /// The operator's port.
    #[error(transparent)]
    Ops(#[from] kt_ops::Error),
    /// PostgreSQL has been away for longer than steps can wait. They are derived again from the journal.
    #[error("{0} order steps wait for PostgreSQL, which is more than may; start again when it answers")]
    StoreBehind(usize),
    /// The journal has reached its bound. The next start begins another one with the state of this.
    #[error("the journal has reached trade.tape_size: starting again with a new one")]
    JournalFull,
    /// A defect in this program.
    #[error("a task of the trading service panicked")]
    Panicked,
}
