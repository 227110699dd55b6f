//! Compares the tables of event kinds with the declarations in `kt-model`.
//!
//! Rows travel as `RowBinary` without names, so a table whose columns differ in order, name or type
//! would take wrong values without an error. The loader refuses to start on such a table.

use std::fmt::Write;

use kt_model::schema::Kind;
use serde::Deserialize;

use crate::client::{Client, ClientError, Options};

#[derive(Deserialize)]
struct ColumnRow {
    name: String,
    column_type: String,
}

#[derive(Deserialize)]
struct TableRow {
    engine: String,
    partition_key: String,
}

/// The columns a kind's table must have, as `CREATE TABLE` takes them.
#[must_use]
pub fn expected_columns(kind: Kind) -> String {
    let width = kind.schema().columns().map(|column| column.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for column in kind.schema().columns() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {:<width$} {},", column.name, column.clickhouse);
    }
    text
}

/// What is wrong with the tables, one line each; empty when all fit.
///
/// # Errors
/// The warehouse does not answer.
pub async fn check(client: &Client) -> Result<Vec<String>, ClientError> {
    let mut differences = Vec::new();
    for &kind in Kind::ALL {
        if let Some(difference) = check_kind(client, kind).await? {
            differences.push(format!("table {}: {difference}", kind.table()));
        }
    }
    Ok(differences)
}

async fn check_kind(client: &Client, kind: Kind) -> Result<Option<String>, ClientError> {
    let Some((database, table)) = kind.table().split_once('.') else { return Ok(None) };
    let options = Options::new().param("database", database).param("table", table);
    let sql = "SELECT engine, partition_key FROM system.tables \
               WHERE database = {database:String} AND name = {table:String}";
    let Some(found) = client.query_row::<TableRow>(sql, &options).await? else {
        return Ok(Some("is missing".to_owned()));
    };
    if !found.engine.ends_with("ReplacingMergeTree") || found.partition_key != "toYYYYMMDD(event_ts)" {
        return Ok(Some("must be a ReplacingMergeTree, one partition per day of event_ts".to_owned()));
    }
    // Computed columns (the version) are no part of the rows.
    let sql = "SELECT name, type AS column_type FROM system.columns WHERE database = {database:String} \
               AND table = {table:String} AND default_kind != 'MATERIALIZED' ORDER BY position";
    let columns = client.query_rows::<ColumnRow>(sql, &options).await?;
    let expected: Vec<_> = kind.schema().columns().collect();
    for (index, wanted) in expected.iter().enumerate() {
        match columns.get(index) {
            Some(column) if column.name == wanted.name && column.column_type == wanted.clickhouse => {}
            Some(column) => {
                return Ok(Some(format!(
                    "column {} is `{} {}`, the events have `{} {}` there",
                    index + 1,
                    column.name,
                    column.column_type,
                    wanted.name,
                    wanted.clickhouse
                )));
            }
            None => return Ok(Some(format!("column `{}` is missing", wanted.name))),
        }
    }
    Ok(columns.get(expected.len()).map(|column| format!("column `{}` is none of the events'", column.name)))
}
