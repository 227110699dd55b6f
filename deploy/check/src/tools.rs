//! The tools of others that take part where they are installed.

use std::path::{Path, PathBuf};

/// Where each tool is; `None`: not on this machine.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    /// Kustomize, which renders the overlays.
    pub kustomize: Option<PathBuf>,
    /// actionlint, for the workflows' syntax.
    pub actionlint: Option<PathBuf>,
    /// A Python with zizmor, Dagster and the gateway's launcher.
    pub python: Option<PathBuf>,
    /// The gateway's source, with its launcher and chart.
    pub gateway: Option<PathBuf>,
}

impl Tools {
    /// What `setup/delivery.py` has installed into a folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let there = |path: &str| Some(folder.join(path)).filter(|path| path.exists());
        Self {
            kustomize: there("bin/kustomize"),
            actionlint: there("bin/actionlint"),
            python: there("python/bin/python3"),
            gateway: there("gateway"),
        }
    }
}

/// Where `setup/delivery.py` installs: beside the engines.
#[must_use]
pub fn default_folder(variable: Option<&str>, is_root: bool, home: Option<&str>) -> PathBuf {
    match variable.filter(|value| !value.is_empty()) {
        Some(folder) => folder.into(),
        None if is_root => "/var/lib/kubetrader/tools".into(),
        None => Path::new(home.unwrap_or("/")).join(".local/share/kubetrader/tools"),
    }
}
