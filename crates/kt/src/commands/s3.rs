//! `kt s3`: hands the configuration to the object store.

use kt_s3::S3Config;

use super::services::{failed, run as serve, stop_requested};
use crate::config::Config;
use crate::error::Error;
use crate::{object_store, sys};

pub(crate) fn run(config: &Config) -> Result<(), Error> {
    let directory = config.data("s3");
    std::fs::create_dir_all(&directory).map_err(Error::doing(directory.display()))?;
    let settings = S3Config {
        listen: config.address(config.s3.port),
        operations: config.address(config.s3.metrics_port),
        directory,
        buckets: object_store::BUCKETS.map(str::to_owned).to_vec(),
        users: object_store::users(config)?,
        guests: Some(object_store::guests(config).folder().to_owned()),
        keep_free: config.s3.keep_free.0,
        free_bytes: |path| sys::disk(path).map(|(free, _)| free),
    };
    serve(async { kt_s3::serve(settings, stop_requested()?).await.map_err(failed) })
}
