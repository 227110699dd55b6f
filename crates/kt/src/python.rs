//! The Python environments that `make setup` made, by the requirements they were made from.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::config::Config;

/// The interpreter of the environment `name` with exactly these requirements.
///
/// # Errors
/// One line that says what is missing and what to do.
pub(crate) fn interpreter(config: &Config, name: &str, requirements: &[u8]) -> Result<PathBuf, String> {
    let digest: String = Sha256::digest(requirements).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let environment = config.python_dir().join(format!("{name}-{digest}"));
    // The stamp is written last: without it the installation was cut off.
    if !environment.join("stamp.json").exists() {
        return Err(format!("there is no Python environment {}; run `make setup`", environment.display()));
    }
    Ok(environment.join("bin/python"))
}

/// A file that was built into the binary.
pub(crate) fn embedded<'a>(files: &'a [(&str, &[u8])], name: &str) -> &'a [u8] {
    let found = files.iter().find(|(own, _)| *own == name);
    found.expect("build.rs takes requirements into the binary").1
}
