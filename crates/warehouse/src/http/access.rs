//! Who asks, and what they may do.
//!
//! The engine in-process knows one user. Here requests are authenticated; a read-only user's
//! statement must be a single one that the engine's parser calls read-only, must not name `file`,
//! and runs on a connection of its own under `readonly=1`. The sandbox stands behind all this.

use sha2::{Digest, Sha256};

use super::request::{Credentials, Request};
use super::statement::may_use_identifier;
use crate::config::UserConfig;
use crate::engine::{Class, Connection, READER_ROLE};
use crate::exception::Exception;

/// Settings that a read-only user may choose: how results look, and how long to wait for them.
const READER_SETTINGS: &[&str] = &[
    "date_time_output_format",
    "extremes",
    "max_block_size",
    "max_result_rows",
    "result_overflow_mode",
    "session_timezone",
];
const READER_PREFIXES: &[&str] = &["output_format_", "format_"];

/// The users that the server knows.
pub(super) struct Users {
    users: Vec<UserConfig>,
}

impl Users {
    pub(super) fn new(users: Vec<UserConfig>) -> Self {
        if users.is_empty() {
            return Self { users: vec![UserConfig::open_default()] };
        }
        Self { users }
    }

    /// Finds the user that a request's credentials prove.
    ///
    /// # Errors
    /// Code 516; the text does not tell which of name and password was wrong.
    pub(super) fn authenticate(&self, credentials: &Credentials) -> Result<&UserConfig, Exception> {
        let name = credentials.user.as_deref().filter(|name| !name.is_empty()).unwrap_or("default");
        let given = hex(&Sha256::digest(credentials.password.as_deref().unwrap_or_default()));
        let found = self.users.iter().find(|user| user.name == name);
        match found {
            Some(user) => match &user.password_sha256 {
                None => Ok(user),
                Some(hash) if same(hash.to_ascii_lowercase().as_bytes(), given.as_bytes()) => Ok(user),
                Some(_) => Err(refused(name)),
            },
            None => Err(refused(name)),
        }
    }
}

fn refused(name: &str) -> Exception {
    Exception::new(
        516,
        "AUTHENTICATION_FAILED",
        format!("{name}: Authentication failed: password is incorrect, or there is no user with such name."),
    )
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Compares in a time that does not depend on where the difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |found, (a, b)| found | (a ^ b)) == 0
}

/// Whether the statement may run at all, before it touches the engine.
///
/// # Errors
/// Code 62 for several statements, 164 for a change over GET or by a read-only user, 497 for what
/// a read-only user must not name.
pub(super) fn admit(
    user: &UserConfig,
    request: &Request,
    connection: &Connection,
    sql: &str,
) -> Result<Class, Exception> {
    let found = connection.classify(sql);
    if found.statements > 1 {
        return Err(Exception::new(
            62,
            "SYNTAX_ERROR",
            "Multi-statements are not allowed over HTTP; send one at a time",
        ));
    }
    // A text that does not parse goes on to the engine of a full user, for the engine's message.
    let changes = !matches!(found.class, Class::ReadOnly | Class::Unknown);
    if changes && request.readonly {
        return Err(readonly(
            "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries",
        ));
    }
    if user.readonly {
        if found.class == Class::Unknown {
            return Err(Exception::new(62, "SYNTAX_ERROR", "the statement does not parse"));
        }
        if changes {
            return Err(readonly(&format!("{}: Cannot execute query in readonly mode.", user.name)));
        }
        if may_use_identifier(sql, "file") {
            return Err(Exception::new(
                497,
                "ACCESS_DENIED",
                format!("{}: the word file may not occur in a read-only user's statement", user.name),
            ));
        }
    }
    Ok(found.class)
}

/// Refuses an INSERT with data where nothing may change.
pub(super) fn admit_insert(user: &UserConfig, request: &Request) -> Result<(), Exception> {
    if user.readonly || request.readonly {
        return Err(readonly(&format!("{}: Cannot insert in readonly mode (method GET implies readonly).", user.name)));
    }
    Ok(())
}

/// The settings of the request that this user may have.
///
/// # Errors
/// Code 164 for one that a read-only user must not change.
pub(super) fn settings(user: &UserConfig, request: &Request) -> Result<Vec<(String, String)>, Exception> {
    let mut settings = request.settings.clone();
    if user.readonly {
        for (name, _) in &settings {
            let allowed = READER_SETTINGS.contains(&name.as_str())
                || READER_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            if !allowed {
                return Err(readonly(&format!("Cannot modify '{name}' setting in readonly mode.")));
            }
        }
    }
    // After the request's own, so that the limits win.
    settings.extend(user.max_memory_bytes.map(|limit| ("max_memory_usage".to_owned(), limit.to_string())));
    settings.extend(user.max_execution_seconds.map(|limit| ("max_execution_time".to_owned(), limit.to_string())));
    Ok(settings)
}

/// Takes the rights of a read-only user's connection away, for good.
pub(super) fn lower(connection: &mut Connection) -> Result<(), Exception> {
    connection.execute(&format!("SET ROLE {READER_ROLE}"), "Null", &[])?;
    connection.execute("SET readonly = 1", "Null", &[])?;
    Ok(())
}

fn readonly(what: &str) -> Exception {
    Exception::new(164, "READONLY", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_compared_by_hash() {
        let user = UserConfig {
            name: "reader".to_owned(),
            password_sha256: Some(hex(&Sha256::digest("secret"))),
            ..UserConfig::open_default()
        };
        let users = Users::new(vec![user]);
        let ask = |name: &str, password: &str| {
            let credentials = Credentials { user: Some(name.to_owned()), password: Some(password.to_owned()) };
            users.authenticate(&credentials).map_err(|error| error.code).map(|user| user.name.clone())
        };
        assert_eq!(ask("reader", "secret"), Ok("reader".to_owned()));
        assert_eq!(ask("reader", "Secret"), Err(516));
        assert_eq!(ask("default", ""), Err(516));
    }
}
