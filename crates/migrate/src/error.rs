//! What can go wrong with migrations, in words that say how to mend it.

use std::path::PathBuf;

/// An error of a database, as its [`crate::Target`] words it.
pub type TargetError = Box<dyn std::error::Error + Send + Sync>;

/// Why migrations could not be read, validated or applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read.
    #[error("cannot read migrations at {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A script's name or text is not usable.
    #[error("migration {script}: {reason}")]
    Script {
        /// The file's path below the location.
        script: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The history and the files disagree; nothing was applied.
    #[error("{target}: the migrations and the history disagree, nothing was applied:\n{}", list(.problems))]
    Invalid {
        /// The target's name.
        target: String,
        /// Each disagreement.
        problems: Vec<Problem>,
    },
    /// A script failed while it was being applied.
    #[error("{target}: migration {script} failed: {source}\n  {hint}")]
    Apply {
        /// The target's name.
        target: String,
        /// The script that failed.
        script: String,
        /// The database's answer.
        source: TargetError,
        /// What to do next.
        hint: String,
    },
    /// The database could not be reached or refused a query on the history.
    #[error("{target}: {doing} failed: {source}")]
    Target {
        /// The target's name.
        target: String,
        /// What was being done.
        doing: &'static str,
        /// The database's answer.
        source: TargetError,
    },
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n")
}

/// One disagreement between the files and the history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// An applied script was edited afterwards.
    #[error(
        "{script} was edited after it was applied (checksum {applied} in the history, {found} in the file): \
         restore it and put the change into a new version"
    )]
    Edited {
        /// The script.
        script: String,
        /// The checksum in the history.
        applied: i32,
        /// The checksum of the file.
        found: i32,
    },
    /// An applied script's description or type no longer matches its file's name.
    #[error("{script} is recorded in the history as {recorded:?}: give the file its old name back")]
    Renamed {
        /// The file's script name.
        script: String,
        /// The script name in the history.
        recorded: String,
    },
    /// The history names a script that is no longer there.
    #[error("{script} was applied but its file is missing: restore it from version control")]
    Missing {
        /// The script in the history.
        script: String,
    },
    /// A script failed earlier and may be applied in part.
    #[error(
        "{script} failed at an earlier run: undo by hand what it left behind, then run \
         `kt migrate repair`, which forgets the failed run"
    )]
    Failed {
        /// The script in the history.
        script: String,
    },
    /// A script's version is below one that is already applied.
    #[error(
        "{script} is not applied but {newest} is: give it a version above {newest}, \
         or allow it with --out-of-order"
    )]
    OutOfOrder {
        /// The script that came late.
        script: String,
        /// The newest applied version.
        newest: String,
    },
}
