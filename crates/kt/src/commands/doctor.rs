//! `kt doctor`.

use crate::config::Config;
use crate::doctor::{Severity, examine};
use crate::error::Error;

pub(crate) fn run(config: &Config, json: bool) -> Result<(), Error> {
    let findings = examine(config);
    if json {
        super::print_json(&findings)?;
    } else {
        findings.iter().for_each(super::print);
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if errors > 0 {
        return Err(Error::failed(format!("{errors} things must be mended")));
    }
    if !json {
        super::print(if findings.is_empty() { "all is well" } else { "nothing keeps the platform from working" });
    }
    Ok(())
}
