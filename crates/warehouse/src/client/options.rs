//! What goes along with a statement: settings, parameters, session, names.

use std::fmt::Display;

/// Options of one request; the default has none.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pairs: Vec<(String, String)>,
}

impl Options {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    fn pair(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.pairs.retain(|(known, _)| *known != name);
        self.pairs.push((name, value.into()));
        self
    }

    /// A ClickHouse setting, for instance `max_threads`.
    #[must_use]
    pub fn setting(self, name: &str, value: impl Display) -> Self {
        self.pair(name, value.to_string())
    }

    /// The value of `{name:Type}` in the statement. Text needs no quoting.
    #[must_use]
    pub fn param(self, name: &str, value: impl Display) -> Self {
        let escaped = value.to_string().replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
        self.pair(format!("param_{name}"), escaped)
    }

    /// The query's id, by which it can be found and killed.
    #[must_use]
    pub fn query_id(self, id: &str) -> Self {
        self.pair("query_id", id)
    }

    /// A session, for temporary tables.
    #[must_use]
    pub fn session(self, id: &str) -> Self {
        self.pair("session_id", id)
    }

    /// The database of names without one.
    #[must_use]
    pub fn database(self, name: &str) -> Self {
        self.pair("database", name)
    }

    /// The format of results of statements without a `FORMAT` of their own.
    #[must_use]
    pub fn format(self, name: &str) -> Self {
        self.pair("default_format", name)
    }

    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        self.pairs.clone()
    }
}
