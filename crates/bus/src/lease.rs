//! Leases: who alone may do a thing. Each change goes from the revision that was read, so that of two
//! rivals one sees that it came too late.

use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store, UpdateErrorKind};

use crate::{Bus, BusError, bucket};

const BUCKET: &str = "LEASES";

/// The bucket of leases.
#[derive(Clone)]
pub struct Leases {
    store: Store,
}

/// A lease as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseEntry {
    /// What its holder wrote of itself.
    pub holder: String,
    /// Grows with every change, by whomever.
    pub revision: u64,
}

impl Bus {
    /// Opens the bucket of leases, creating it where it does not exist.
    ///
    /// # Errors
    /// [`BusError::Bucket`] when JetStream refuses.
    pub async fn leases(&self) -> Result<Leases, BusError> {
        bucket::open(self, BUCKET, "Who alone may do a thing").await.map(|store| Leases { store })
    }
}

impl Leases {
    /// Who holds the lease; `None` when nobody does.
    ///
    /// # Errors
    /// [`BusError::Bucket`] when the server does not answer.
    pub async fn read(&self, name: &str) -> Result<Option<LeaseEntry>, BusError> {
        let entry = self.store.entry(name).await.map_err(|error| failed("reading", error.to_string()))?;
        Ok(entry.filter(|entry| entry.operation == Operation::Put).map(|entry| LeaseEntry {
            holder: String::from_utf8_lossy(&entry.value).into_owned(),
            revision: entry.revision,
        }))
    }

    /// Takes a lease that nobody holds; `None` when somebody was faster.
    ///
    /// # Errors
    /// [`BusError::Bucket`] when the server does not answer.
    pub async fn create(&self, name: &str, holder: &str) -> Result<Option<u64>, BusError> {
        match self.store.create(name, holder.to_owned().into()).await {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(failed("taking a lease", error.to_string())),
        }
    }

    /// Renews or takes over the lease as it stood at `revision`; `None` when it changed since.
    ///
    /// # Errors
    /// [`BusError::Bucket`] when the server does not answer.
    pub async fn replace(&self, name: &str, holder: &str, revision: u64) -> Result<Option<u64>, BusError> {
        match self.store.update(name, holder.to_owned().into(), revision).await {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            Err(error) => Err(failed("renewing a lease", error.to_string())),
        }
    }

    /// Gives the lease back, if it still stands at `revision`.
    ///
    /// # Errors
    /// [`BusError::Bucket`] when the server does not confirm it.
    pub async fn release(&self, name: &str, revision: u64) -> Result<(), BusError> {
        let deleted = self.store.delete_expect_revision(name, Some(revision)).await;
        deleted.map_err(|error| failed("giving a lease back", error.to_string()))
    }
}

fn failed(action: &'static str, cause: String) -> BusError {
    BusError::Bucket { bucket: BUCKET, action, cause }
}
