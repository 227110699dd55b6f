//! The reference page in `docs/` is what the declarations say.

use std::path::Path;

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/signals.md");
    let expected = kt_signals::reference::markdown();
    if std::env::var_os("KT_BLESS").is_some() {
        std::fs::write(&path, &expected).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/reference/signals.md is stale: run `KT_BLESS=1 cargo test -p kt-signals`");
}
