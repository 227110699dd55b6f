//! The reference page in `docs/` is what the declarations say.

use std::path::Path;

use kt_model::{Header, Kind, SCHEMAS};

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/events.md");
    let expected = kt_model::reference::markdown();
    if std::env::var_os("KT_BLESS").is_some() {
        std::fs::write(&path, &expected).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/reference/events.md is stale: run `KT_BLESS=1 cargo test -p kt-model`");
}

#[test]
fn every_row_begins_with_the_position() {
    let begin: Vec<_> = Header::COLUMNS.iter().take(3).map(|column| (column.name, column.clickhouse)).collect();
    assert_eq!(begin, [("publish_ts", "DateTime64(9, 'UTC')"), ("counter", "UInt64"), ("epoch", "UInt32")]);
    for (schema, kind) in SCHEMAS.iter().zip(Kind::ALL) {
        assert_eq!(schema.kind, *kind, "SCHEMAS and Kind::ALL differ in order");
        let mut names: Vec<_> = schema.columns().map(|column| column.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{kind}: a column name occurs twice");
    }
}
