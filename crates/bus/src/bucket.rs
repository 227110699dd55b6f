//! Opening a key-value bucket, whoever comes first.

use async_nats::jetstream::context::{CreateKeyValueErrorKind, KeyValueErrorKind};
use async_nats::jetstream::kv::{Config, Store};
use async_nats::jetstream::stream::StorageType;

use crate::{Bus, BusError};

/// Opens the bucket, creating it where it does not exist. It keeps the newest value of each key.
pub(crate) async fn open(bus: &Bus, bucket: &'static str, description: &str) -> Result<Store, BusError> {
    let failed = |cause: String| BusError::Bucket { bucket, action: "opening it", cause };
    match bus.context.get_key_value(bucket).await {
        Ok(store) => return Ok(store),
        Err(error) if error.kind() == KeyValueErrorKind::GetBucket => {}
        Err(error) => return Err(failed(error.to_string())),
    }
    let config = Config {
        bucket: bucket.to_owned(),
        description: description.to_owned(),
        history: 1,
        storage: StorageType::File,
        ..Config::default()
    };
    match bus.context.create_key_value(config).await {
        Ok(store) => Ok(store),
        // Another service created it in the same moment.
        Err(error) if error.kind() == CreateKeyValueErrorKind::BucketCreate => {
            bus.context.get_key_value(bucket).await.map_err(|_| failed(error.to_string()))
        }
        Err(error) => Err(failed(error.to_string())),
    }
}
