//! The crate's one error type.

/// What is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// The text is no TOML, or holds a key or a type that is not known.
    #[error("signals, line {line}: {problem}")]
    Syntax {
        /// Line of the text, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A declaration that cannot work.
    #[error("signals, line {line}: signal \"{name}\": {problem}")]
    Declaration {
        /// Line of its `[[signal]]`, from 1.
        line: usize,
        /// The signal's name.
        name: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A saved state that this program cannot read.
    #[error("the saved state cannot be read: {0}; start from an older snapshot or the journal's beginning")]
    State(String),
}
