//! JSON log lines on standard error, for the services of this binary.

use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::error::Error;

/// Starts logging with the configured filter. The supervisor's own lines go to `sink`.
pub(crate) fn start<W>(config: &Config, sink: W) -> Result<(), Error>
where
    W: for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    let level = &config.platform.log_level;
    let filter = EnvFilter::try_new(level).map_err(|error| {
        Error::usage(format!("platform.log_level: {level:?} is not a log filter ({error}); write for example \"info\""))
    })?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(sink)
        .init();
    Ok(())
}
