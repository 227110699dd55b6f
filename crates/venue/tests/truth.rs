//! Every recording of the mapped venues against what is independently known of it.

mod common;

#[test]
fn look() {
    let Some(folder) = common::recordings() else { return };
    for (venue, stream) in [
        ("binance", "20210404_stream.jsonl.zst"),
        ("binance", "20211012_stream.jsonl.zst"),
        ("binance_usdm", "20210722_stream.jsonl.zst"),
        ("binance_usdm", "20230404_btcusdt_markprice_stream.jsonl.zst"),
        ("binance_coinm", "20210722_stream.jsonl.zst"),
    ] {
        let (mut report, _) = common::check(venue, &folder.join("frames").join(venue), stream);
        report.books.clear();
        report.per_symbol.clear();
        println!("{venue} {stream} {}", serde_json::to_string(&report).unwrap());
    }
}
