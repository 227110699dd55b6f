//! How far each writer has accepted rows: what an audit holds the warehouse against.

use async_nats::jetstream::kv::Store;
use futures::StreamExt;

use crate::{Bus, BusError, bucket};

const BUCKET: &str = "ACCEPTED";

/// The highest counter that lies in a writer's spool. Put about once a second and at the stop, so
/// after a crash it is a lower bound.
#[derive(Clone)]
pub struct Accepted {
    store: Store,
}

impl Bus {
    /// Opens the bucket of accepted counters, creating it where it does not exist.
    ///
    /// # Errors
    /// [`BusError::Bucket`] when JetStream refuses.
    pub async fn accepted(&self) -> Result<Accepted, BusError> {
        let description = "Highest counter of each writer and epoch that lies in the writer's spool";
        bucket::open(self, BUCKET, description).await.map(|store| Accepted { store })
    }
}

impl Accepted {
    /// States that every row of the writer's epoch up to `counter` lies in the spool.
    ///
    /// # Errors
    /// [`BusError::Bucket`] when the server does not confirm it.
    pub async fn put(&self, writer: &str, epoch: u32, counter: u64) -> Result<(), BusError> {
        let put = self.store.put(format!("{writer}.{epoch}"), counter.to_string().into()).await;
        put.map(drop).map_err(|error| failed("writing", error.to_string()))
    }

    /// Every writer's epochs and counters.
    ///
    /// # Errors
    /// [`BusError::Bucket`] when the server does not answer.
    pub async fn all(&self) -> Result<Vec<(String, u32, u64)>, BusError> {
        let mut keys = self.store.keys().await.map_err(|error| failed("listing", error.to_string()))?;
        let mut all = Vec::new();
        while let Some(key) = keys.next().await {
            let key = key.map_err(|error| failed("listing", error.to_string()))?;
            let value = self.store.get(key.as_str()).await.map_err(|error| failed("reading", error.to_string()))?;
            let counter = value.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
            let writer =
                key.rsplit_once('.').and_then(|(writer, epoch)| Some((writer.to_owned(), epoch.parse().ok()?)));
            if let (Some((writer, epoch)), Some(counter)) = (writer, counter) {
                all.push((writer, epoch, counter));
            }
        }
        Ok(all)
    }
}

fn failed(action: &'static str, cause: String) -> BusError {
    BusError::Bucket { bucket: BUCKET, action, cause }
}
