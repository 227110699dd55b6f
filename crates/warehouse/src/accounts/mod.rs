//! Accounts of people who do research: who may read the warehouse, and how much of it at once.
//!
//! The platform's services are users of the configuration. An account is made and removed while the warehouse runs:
//! one file each in the data directory's `accounts` folder ([`Accounts`]), looked at with every request. Accounts are
//! known only at the address for research ([`crate::WarehouseConfig::research_listen`]), and that address knows
//! nobody else.

mod store;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use store::Accounts;

use crate::error::WarehouseError;

/// What every account's name begins with, so that none can be taken for a service.
pub const PREFIX: &str = "research_";
/// Longest name.
const NAME_LENGTH: usize = 64;

/// How big a research kernel is; its quota at the warehouse follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Size {
    /// For looking at things.
    #[serde(rename = "S")]
    Small,
    /// For days of data.
    #[serde(rename = "M")]
    Medium,
    /// For everything that the machine can bear.
    #[serde(rename = "L")]
    Large,
}

/// What one account may take. A statement beyond it fails with ClickHouse's error and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Memory of one statement in the engine, in bytes.
    pub memory_bytes: u64,
    /// Time of one statement, in seconds; waiting for the client to read counts.
    pub seconds: u64,
    /// Rows of one result.
    pub result_rows: u64,
    /// Bytes of one result, as the engine holds them.
    pub result_bytes: u64,
    /// Rows that one statement may read from tables.
    pub read_rows: u64,
    /// Bytes that one statement may read from tables, uncompressed.
    pub read_bytes: u64,
    /// Threads that work on one statement.
    pub threads: u64,
    /// Statements at the same time.
    pub concurrent: usize,
}

impl Quota {
    /// The quota of a kernel of this size. The engine has 2 GiB by default and loads while others read, so that even
    /// the largest has half of it.
    pub const fn of(size: Size) -> Self {
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;
        match size {
            Size::Small => Self {
                memory_bytes: 256 * MIB,
                seconds: 60,
                result_rows: 20_000_000,
                result_bytes: 4 * GIB,
                read_rows: 200_000_000,
                read_bytes: 64 * GIB,
                threads: 1,
                concurrent: 2,
            },
            Size::Medium => Self {
                memory_bytes: 512 * MIB,
                seconds: 300,
                result_rows: 100_000_000,
                result_bytes: 24 * GIB,
                read_rows: 2_000_000_000,
                read_bytes: 512 * GIB,
                threads: 2,
                concurrent: 3,
            },
            Size::Large => Self {
                memory_bytes: GIB,
                seconds: 1_800,
                result_rows: 500_000_000,
                result_bytes: 128 * GIB,
                read_rows: 20_000_000_000,
                read_bytes: 4_096 * GIB,
                threads: 2,
                concurrent: 4,
            },
        }
    }

    /// The engine's settings that enforce it. Whatever is too much is an error: a result cut short would be taken
    /// for the whole.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let number = |name: &str, value: u64| (name.to_owned(), value.to_string());
        let throw = |name: &str| (name.to_owned(), "throw".to_owned());
        vec![
            number("max_memory_usage", self.memory_bytes),
            number("max_execution_time", self.seconds),
            throw("timeout_overflow_mode"),
            number("max_result_rows", self.result_rows),
            number("max_result_bytes", self.result_bytes),
            throw("result_overflow_mode"),
            number("max_rows_to_read", self.read_rows),
            number("max_bytes_to_read", self.read_bytes),
            throw("read_overflow_mode"),
            number("max_threads", self.threads),
        ]
    }
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Name at the warehouse: `research_` and lower-case letters, digits, underscores.
    pub name: String,
    /// SHA-256 of the password, in lower-case hex.
    pub password_sha256: String,
    /// What it may take.
    pub quota: Quota,
    /// When it ends, in seconds since 1970; `None`: when it is removed.
    pub expires_at: Option<u64>,
}

impl Account {
    /// An account that lasts until it is removed. Passwords are random texts made for it: a hash without salt keeps
    /// nothing that a person would use elsewhere.
    ///
    /// # Errors
    /// [`WarehouseError::Config`] for a name that is none.
    pub fn new(name: &str, password: &str, quota: Quota) -> Result<Self, WarehouseError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), password_sha256: hash(password), quota, expires_at: None })
    }

    /// The same account with an end.
    #[must_use]
    pub fn until(mut self, seconds_since_1970: u64) -> Self {
        self.expires_at = Some(seconds_since_1970);
        self
    }
}

/// SHA-256 of a password, in lower-case hex.
pub(crate) fn hash(password: &str) -> String {
    Sha256::digest(password).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A name becomes a file's name, so nothing else may pass.
fn check_name(name: &str) -> Result<(), WarehouseError> {
    let rest = name.strip_prefix(PREFIX).unwrap_or_default();
    let fits = !rest.is_empty()
        && name.len() <= NAME_LENGTH
        && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if fits {
        return Ok(());
    }
    Err(WarehouseError::Config(format!(
        "{name:?} is no name of an account: it has to be {PREFIX} and then lower-case letters, digits or underscores, \
         {NAME_LENGTH} characters at most"
    )))
}
