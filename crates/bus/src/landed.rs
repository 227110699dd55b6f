//! The landed watermark: up to which block everything of a writer, epoch and kind lies in the warehouse.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::kv::{Operation, Store, Watch};
use futures::StreamExt;
use kt_model::schema::Kind;

use crate::{Bus, BusError, bucket};

const BUCKET: &str = "LANDED";

/// Whose watermark.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LandedKey {
    /// The writer.
    pub writer: String,
    /// Its epoch.
    pub epoch: u32,
    /// Kind of the rows.
    pub kind: Kind,
}

impl LandedKey {
    /// `<writer>.<epoch>.<kind>`.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}.{}.{}", self.writer, self.epoch, self.kind)
    }

    /// Reads the text of a key. The writer's name may hold dots, epoch and kind cannot.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (rest, kind) = text.rsplit_once('.')?;
        let (writer, epoch) = rest.rsplit_once('.')?;
        Some(Self { writer: writer.to_owned(), epoch: epoch.parse().ok()?, kind: Kind::from_name(kind)? })
    }
}

/// The watermark's bucket.
#[derive(Clone)]
pub struct Landed {
    store: Store,
}

/// Changes of one writer's watermark, the present values first.
pub struct LandedWatch {
    watch: Watch,
}

impl Bus {
    /// Opens the bucket of the landed watermark, creating it where it does not exist.
    ///
    /// # Errors
    /// [`BusError::Bucket`] when JetStream refuses.
    pub async fn landed(&self) -> Result<Landed, BusError> {
        let description = "Last block of each writer, epoch and kind that has landed contiguously";
        bucket::open(self, BUCKET, description).await.map(|store| Landed { store })
    }
}

impl Landed {
    /// The last block that has landed contiguously; `None` when none has.
    ///
    /// # Errors
    /// [`BusError::Landed`] when the server does not answer.
    pub async fn get(&self, key: &LandedKey) -> Result<Option<u64>, BusError> {
        let value = self.store.get(key.to_text()).await.map_err(|error| failed("reading", error.to_string()))?;
        Ok(value.and_then(|text| parse(&text)))
    }

    /// Sets the watermark. It must never go back; the loader sees to that.
    ///
    /// # Errors
    /// [`BusError::Landed`] when the server does not confirm it.
    pub async fn put(&self, key: &LandedKey, block: u64) -> Result<(), BusError> {
        let value = block.to_string().into();
        self.store.put(key.to_text(), value).await.map(drop).map_err(|error| failed("writing", error.to_string()))
    }

    /// All watermarks of one writer.
    ///
    /// # Errors
    /// [`BusError::Landed`] when the server does not answer within 10 s.
    pub async fn of_writer(&self, writer: &str) -> Result<HashMap<LandedKey, u64>, BusError> {
        let read = async {
            let mut keys = self.store.keys().await.map_err(|error| failed("listing", error.to_string()))?;
            let mut all = HashMap::new();
            while let Some(text) = keys.next().await {
                let text = text.map_err(|error| failed("listing", error.to_string()))?;
                let Some(key) = LandedKey::from_text(&text).filter(|key| key.writer == writer) else { continue };
                if let Some(block) = self.get(&key).await? {
                    all.insert(key, block);
                }
            }
            Ok(all)
        };
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .map_err(|_| failed("listing", "no answer within 10 s".to_owned()))?
    }

    /// Follows one writer's watermark: the present values, then every change.
    ///
    /// # Errors
    /// [`BusError::Landed`] when the server refuses.
    pub async fn watch(&self, writer: &str) -> Result<LandedWatch, BusError> {
        let watch = self
            .store
            .watch_with_history(format!("{writer}.>"))
            .await
            .map_err(|error| failed("watching", error.to_string()))?;
        Ok(LandedWatch { watch })
    }
}

impl LandedWatch {
    /// The next change; `None` when the watch ended and another must be opened.
    ///
    /// # Errors
    /// [`BusError::Landed`] when the watch broke; open another.
    pub async fn next(&mut self) -> Result<Option<(LandedKey, u64)>, BusError> {
        while let Some(entry) = self.watch.next().await {
            let entry = entry.map_err(|error| failed("watching", error.to_string()))?;
            let change = LandedKey::from_text(&entry.key).zip(parse(&entry.value));
            if entry.operation == Operation::Put && change.is_some() {
                return Ok(change);
            }
        }
        Ok(None)
    }
}

fn parse(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn failed(action: &'static str, cause: String) -> BusError {
    BusError::Landed { action, cause }
}
