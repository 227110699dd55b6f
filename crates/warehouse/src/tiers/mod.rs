//! Where data lies by age: recent days on the local disk, older ones in object storage.
//!
//! The engine's storage policy has two volumes. A part lies wholly in one of them and is moved by its table's
//! TTL or by [`move_partition`]: copied first, then swapped, then removed, so that a kill loses nothing. What
//! an unlucky kill leaves in the store is found by comparing it with [`referenced_objects`].

mod cost;
mod placement;
mod store;

use crate::client::ClientError;

pub use cost::{Prices, Projection, VenueCost, cost};
pub use placement::{
    Partition, TierRow, move_partition, partitions_before, partitions_in, referenced_objects, set_ttl, tiers,
};
pub use store::ColdStore;
pub(crate) use store::storage_xml;

/// Name of the policy that has both volumes: the engine's own, so that every table has it, old ones too.
pub const POLICY: &str = "default";

/// Where a part lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The local disk.
    Hot,
    /// Object storage.
    Cold,
}

impl Tier {
    /// Name of the volume.
    #[must_use]
    pub const fn volume(self) -> &'static str {
        match self {
            // A policy that takes the place of the engine's own must keep the name of its volume.
            Self::Hot => "default",
            Self::Cold => "cold",
        }
    }

    /// Name of the disk.
    #[must_use]
    pub const fn disk(self) -> &'static str {
        self.volume()
    }

    /// Name shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
        }
    }
}

/// Why tiers could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum TierError {
    /// The warehouse did not answer, or refused.
    #[error("{doing}: {source}")]
    Warehouse {
        /// What was being done, and to what.
        doing: String,
        /// Why it failed.
        source: ClientError,
    },
    /// The object store failed while a partition moved; the partition stayed where it was.
    #[error(
        "moving {partition}: {cause}; nothing was lost: what had not moved stays where it was, run the same command again"
    )]
    Store {
        /// The partition.
        partition: String,
        /// What the store did, and how to mend it.
        cause: String,
    },
    /// The warehouse runs without object storage.
    #[error(
        "the warehouse has no cold volume; restart it with `kt restart warehouse`, its configuration is written anew"
    )]
    NoColdVolume,
}

impl TierError {
    fn doing(doing: impl Into<String>) -> impl FnOnce(ClientError) -> Self {
        move |source| Self::Warehouse { doing: doing.into(), source }
    }
}
