//! `kt config`.

use crate::config::{Config, DEFAULTS};
use crate::error::Error;

pub(crate) fn run(config: &Config, effective: bool) -> Result<(), Error> {
    let text = if effective {
        toml::to_string(config).map_err(Error::doing("writing the configuration"))?
    } else {
        DEFAULTS.to_owned()
    };
    super::print(text.trim_end());
    Ok(())
}
