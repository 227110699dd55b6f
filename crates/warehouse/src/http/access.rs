//! What a user may do.
//!
//! The engine in-process knows one user. Here requests are authenticated; a read-only user's
//! statement must be a single one that the engine's parser calls read-only, must not name `file`,
//! and runs on a connection of its own under `readonly=1`. The sandbox stands behind all this.

use super::request::Request;
use super::statement::may_use_identifier;
use super::users::User;
use crate::engine::{Class, Connection};
use crate::exception::Exception;

/// Settings that a read-only user may choose: how results look, and how long to wait for them.
const READER_SETTINGS: &[&str] = &[
    "date_time_output_format",
    "do_not_merge_across_partitions_select_final",
    "extremes",
    "max_block_size",
    "max_result_rows",
    "result_overflow_mode",
    "session_timezone",
];
/// Not all that begin with `output_format_` or `format_`: some name files.
const READER_PREFIXES: &[&str] = &[
    "output_format_arrow_",
    "output_format_csv_",
    "output_format_decimal_",
    "output_format_json_",
    "output_format_parquet_",
    "output_format_tsv_",
    "output_format_write_",
];

/// Whether the statement may run at all, before it touches the engine.
///
/// # Errors
/// Code 62 for several statements, 164 for a change over GET or by a read-only user, 497 for what
/// a read-only user must not name.
pub(super) fn admit(user: &User, request: &Request, connection: &Connection, sql: &str) -> Result<Class, Exception> {
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
    if user.is_readonly() {
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
pub(super) fn admit_insert(user: &User, request: &Request) -> Result<(), Exception> {
    if user.is_readonly() || request.readonly {
        return Err(readonly(&format!("{}: Cannot insert in readonly mode (method GET implies readonly).", user.name)));
    }
    Ok(())
}

/// The settings of the request that this user may have.
///
/// # Errors
/// Code 164 for one that a read-only user must not change.
pub(super) fn settings(user: &User, request: &Request) -> Result<Vec<(String, String)>, Exception> {
    let mut settings = request.settings.clone();
    if user.is_readonly() {
        for (name, _) in &settings {
            let allowed = READER_SETTINGS.contains(&name.as_str())
                || READER_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            if !allowed {
                return Err(readonly(&format!("Cannot modify '{name}' setting in readonly mode.")));
            }
        }
    }
    // A request may ask for less than its user's limit. What is no number, `result_overflow_mode` for one, is the
    // limit's alone.
    for (name, limit) in &user.limits {
        let asked =
            settings.iter().filter(|(asked, _)| asked == name).filter_map(|(_, value)| value.parse::<u64>().ok());
        let least = asked.filter(|value| *value > 0).min();
        settings.retain(|(asked, _)| asked != name);
        let value = match (least, limit.parse::<u64>()) {
            (Some(least), Ok(limit)) => least.min(limit).to_string(),
            _ => limit.clone(),
        };
        settings.push((name.clone(), value));
    }
    Ok(settings)
}

/// Takes the rights of a read-only user's connection away, for good.
pub(super) fn lower(connection: &mut Connection, role: &str) -> Result<(), Exception> {
    connection.execute(&format!("SET ROLE {role}"), "Null", &[])?;
    connection.execute("SET readonly = 1", "Null", &[])?;
    Ok(())
}

fn readonly(what: &str) -> Exception {
    Exception::new(164, "READONLY", what)
}
