//! Where data, engines and recordings lie. The only place that reads the environment for it.

use std::env;
use std::path::{Path, PathBuf};

use super::Config;

/// Fills empty directories from the environment or the system's conventions and makes all absolute.
///
/// A file's or flag's word stands above the environment's.
pub(super) fn resolve(config: &mut Config) -> Result<(), String> {
    let platform = &mut config.platform;
    for (directory, variable, name) in
        [(&mut platform.data_dir, "KT_DATA", "data"), (&mut platform.engines_dir, "KT_ENGINES", "engines")]
    {
        if directory.as_os_str().is_empty() {
            *directory = match from_environment(variable) {
                Some(path) => path,
                None => home(name)?,
            };
        }
    }
    if platform.recordings_dir.as_os_str().is_empty() {
        platform.recordings_dir =
            from_environment("KT_RECORDINGS").unwrap_or_else(|| Path::new("../shared/data").into());
    }
    let optional = [
        &mut config.feed.mappings_dir,
        &mut config.nats.password_file,
        &mut config.warehouse.password_file,
        &mut config.signals.declarations,
        &mut config.trade.strategies,
        &mut config.alerts.rules,
    ];
    let given = optional.into_iter().filter(|path| !path.as_os_str().is_empty());
    let directories = [&mut platform.data_dir, &mut platform.engines_dir, &mut platform.recordings_dir];
    for path in directories.into_iter().chain(&mut config.source.replay).chain(given) {
        *path = std::path::absolute(&*path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn from_environment(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn home(name: &str) -> Result<PathBuf, String> {
    if crate::process::is_root() {
        return Ok(Path::new("/var/lib/kubetrader").join(name));
    }
    let data_home = from_environment("XDG_DATA_HOME")
        .or_else(|| from_environment("HOME").map(|home| home.join(".local/share")))
        .ok_or("neither XDG_DATA_HOME nor HOME is set; give --data-dir and KT_ENGINES")?;
    Ok(data_home.join("kubetrader").join(name))
}
