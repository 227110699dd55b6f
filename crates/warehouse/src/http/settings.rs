//! A request's settings on its connection, and back again on a session's.

use super::request::Request;
use crate::engine::Connection;
use crate::exception::Exception;

/// Quotes text as a string literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn name(text: &str) -> String {
    format!("`{}`", text.replace('\\', "\\\\").replace('`', "\\`"))
}

/// Sets database and settings, and marks the connection's statements with the query id, by which
/// alone they can be killed.
pub(super) fn apply(
    connection: &mut Connection,
    database: Option<&str>,
    query_id: &str,
    settings: &[(String, String)],
) -> Result<(), Exception> {
    if let Some(database) = database {
        connection.execute(&format!("USE {}", name(database)), "Null", &[])?;
    }
    let mut sql = String::from("SET ");
    for (setting, value) in settings.iter().filter(|(setting, _)| setting != "log_comment") {
        sql.push_str(&format!("{setting} = {}, ", literal(value)));
    }
    sql.push_str(&format!("log_comment = {}", literal(query_id)));
    connection.execute(&sql, "Null", &[])?;
    Ok(())
}

/// The statement that kills a query by its id. Without SYNC, which hangs.
pub(super) fn kill(query_id: &str) -> String {
    format!("KILL QUERY WHERE Settings['log_comment'] = {} ASYNC", literal(query_id))
}

/// What a session's connection had before a request changed it.
#[derive(Default)]
pub(super) struct Before {
    database: Option<String>,
    settings: Vec<(String, Option<String>)>,
}

/// Notes what `apply` is about to change: in ClickHouse a request's parameters hold for that
/// request only, even within a session.
pub(super) fn remember(
    connection: &mut Connection,
    request: &Request,
    settings: &[(String, String)],
) -> Result<Before, Exception> {
    let mut before = Before::default();
    if request.database.is_some() {
        let output = connection.execute("SELECT currentDatabase()", "TabSeparatedRaw", &[])?;
        before.database = Some(text(&output.data));
    }
    if settings.is_empty() {
        return Ok(before);
    }
    let names: Vec<String> = settings.iter().map(|(setting, _)| literal(setting)).collect();
    let sql = format!("SELECT name, hex(value) FROM system.settings WHERE changed AND name IN ({})", names.join(", "));
    let output = connection.execute(&sql, "TabSeparatedRaw", &[])?;
    let changed = text(&output.data);
    for (setting, _) in settings {
        let old = changed.lines().find_map(|line| {
            let (found, value) = line.split_once('\t')?;
            (found == setting).then(|| value.to_owned())
        });
        before.settings.push((setting.clone(), old));
    }
    Ok(before)
}

impl Before {
    /// Puts everything back.
    pub(super) fn restore(&self, connection: &mut Connection) -> Result<(), Exception> {
        if let Some(database) = &self.database {
            connection.execute(&format!("USE {}", name(database)), "Null", &[])?;
        }
        for (setting, old) in &self.settings {
            let value = match old {
                Some(value) => literal(&unhex(value)),
                None => "DEFAULT".to_owned(),
            };
            connection.execute(&format!("SET {setting} = {value}"), "Null", &[])?;
        }
        Ok(())
    }
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).trim_end_matches('\n').to_owned()
}

fn unhex(text: &str) -> String {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
