//! What is wrong with the machine or the installation, and how to mend it.

mod engines;
mod machine;
mod places;

use std::fmt;

use serde::Serialize;

use crate::config::Config;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// The platform cannot start or would fail soon.
    Error,
    /// It works, but not as well as it could.
    Warning,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// What is wrong.
    pub(crate) problem: String,
    /// How to mend it.
    pub(crate) mend: String,
}

impl Finding {
    fn error(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Error, problem: problem.into(), mend: mend.into() }
    }

    fn warning(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, problem: problem.into(), mend: mend.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        write!(f, "{severity}: {}; {}", self.problem, self.mend)
    }
}

/// Everything `kt doctor` knows to look at, errors first.
pub(crate) fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = quick(config);
    findings.extend(engines::versions(config));
    findings.extend(places::leftovers(config));
    findings.extend(machine::clock());
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// What keeps `kt up` from working, looked at before anything is started or written.
pub(crate) fn obstacles(config: &Config) -> Vec<Finding> {
    let mut findings = quick(config);
    findings.retain(|finding| finding.severity == Severity::Error);
    findings
}

/// The checks that start no program.
fn quick(config: &Config) -> Vec<Finding> {
    let mut findings = engines::installed(config);
    findings.extend(places::users(config));
    findings.extend(places::directories(config));
    findings.extend(places::recordings(config));
    findings.extend(places::ports(config));
    findings.extend(machine::disk(config));
    findings.extend(machine::memory(config));
    findings.extend(machine::open_files());
    findings.extend(machine::landlock(config));
    findings
}
