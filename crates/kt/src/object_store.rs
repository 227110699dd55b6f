//! The embedded object store's users: who they are, what they may use, and where their keys lie.

use std::path::PathBuf;

use kt_s3::{Guests, S3User};

use crate::config::Config;
use crate::error::Error;
use crate::supervisor::prepare;

/// Bucket of the warehouse's cold tier.
pub(crate) const COLD: &str = "cold";
/// Bucket of results of research and backtests.
pub(crate) const EXPERIMENTS: &str = "experiments";
/// Bucket of the logs of runs.
pub(crate) const LOGS: &str = "logs";
/// What the keys of the warehouse's objects begin with.
pub(crate) const WAREHOUSE_PREFIX: &str = "warehouse";
/// Every bucket.
pub(crate) const BUCKETS: [&str; 3] = [COLD, EXPERIMENTS, LOGS];

/// Users and their buckets: each service has what it needs and no more. The operator's key is for commands.
const USERS: [(&str, &[&str]); 4] =
    [("warehouse", &[COLD]), ("experiments", &[EXPERIMENTS]), ("logs", &[LOGS]), ("operator", &BUCKETS)];

/// A user's credentials file, in the format of the AWS tools: `AWS_SHARED_CREDENTIALS_FILE` may name it.
pub(crate) fn credentials_file(config: &Config, user: &str) -> PathBuf {
    config.data("secrets").join("s3").join(format!("{user}.credentials"))
}

/// Creates the keys that do not exist yet.
pub(crate) fn create_keys(config: &Config) -> Result<(), Error> {
    for (user, _) in USERS {
        let file = credentials_file(config, user);
        if !file.exists() {
            let secret = prepare::random_text()?;
            let text = format!("[default]\naws_access_key_id = {user}\naws_secret_access_key = {secret}\n");
            prepare::replace(&file, text.as_bytes(), None)?;
        }
    }
    Ok(())
}

/// Access key and secret of a user.
pub(crate) fn key(config: &Config, user: &str) -> Result<(String, String), Error> {
    let file = credentials_file(config, user);
    let text = std::fs::read_to_string(&file).map_err(Error::doing(file.display()))?;
    let value = |name: &str| {
        let found = text.lines().find_map(|line| line.split_once('=').filter(|(key, _)| key.trim() == name));
        found.map(|(_, value)| value.trim().to_owned()).ok_or_else(|| {
            Error::failed(format!("{} has no {name}; delete the file, `kt up` writes a new one", file.display()))
        })
    };
    Ok((value("aws_access_key_id")?, value("aws_secret_access_key")?))
}

/// All users with their keys.
pub(crate) fn users(config: &Config) -> Result<Vec<S3User>, Error> {
    let user = |(name, buckets): &(&str, &[&str])| {
        let (access_key, secret_key) = key(config, name)?;
        Ok(S3User { access_key, secret_key, buckets: buckets.iter().map(|&bucket| bucket.to_owned()).collect() })
    };
    USERS.iter().map(user).collect()
}

/// The keys of research kernels' users, which come and go.
pub(crate) fn guests(config: &Config) -> Guests {
    Guests::new(config.data("secrets").join("s3").join("guests"))
}

/// Where the store is.
pub(crate) fn url(config: &Config) -> String {
    format!("http://{}", config.address(config.s3.port))
}
