//! The reference page of the event kinds, generated from their declarations.

use std::fmt::Write;

use crate::events::{Header, SCHEMAS};
use crate::schema::Column;

/// The page in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Event kinds\n\nGenerated from the declarations in `crates/model/src/events.rs`; a test compares them. \
         The columns are the same in Rust, on the wire (`RowBinary`) and in the warehouse. \
         Times are nanoseconds since the Unix epoch, UTC.\n\n## Columns of every kind\n\n",
    );
    table(Header::COLUMNS, &mut page);
    for schema in &SCHEMAS {
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "\n## `{}`, version {}\n\n{} Table `{}`.\n\n",
            schema.kind,
            schema.version,
            schema.doc,
            schema.kind.table()
        );
        table(schema.own, &mut page);
    }
    page
}

fn table(columns: &[Column], page: &mut String) {
    page.push_str("| column | type | unit | meaning |\n|---|---|---|---|\n");
    for column in columns {
        let _ = writeln!(page, "| `{}` | `{}` | {} | {} |", column.name, column.clickhouse, column.unit, column.doc);
    }
}
