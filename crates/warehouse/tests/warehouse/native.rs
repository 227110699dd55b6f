//! Rows read as Native are, byte for byte, those that the warehouse writes as RowBinary.

use kt_warehouse::client::Options;

use crate::harness::{Setup, directory};

/// Every type of our tables, with the values at which layouts break: empty, none, many different, long.
const ROWS: &str = "SELECT number, toUInt8(number % 251), toUInt16(number), toUInt32(number), toInt8(number % 100 - 50), \
    toInt64(number) - 7, number % 3 = 0, sqrt(number), toString(number), repeat('x', number % 300), \
    toLowCardinality(toString(number % 3)), toLowCardinality(toString(number)), \
    toDecimal128(number, 18) / 7, toDecimal128(number, 24), toDateTime64('2026-11-22 10:00:00.123456789', 9, 'UTC'), \
    CAST(number % 2 + 1, 'Enum8(\\'buy\\' = 1, \\'sell\\' = 2)'), \
    if(number % 5 = 0, NULL, number), if(number % 5 = 1, NULL, toDecimal128(number, 18)), \
    if(number % 4 = 0, NULL, toDateTime64('2026-11-22 10:00:00', 9, 'UTC')), \
    range(number % 7)::Array(Int64), arrayMap(n -> repeat('y', n), range(number % 4)), []::Array(Int64) \
    FROM numbers({count}) ORDER BY number DESC";

pub async fn rows_are_those_of_row_binary() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    // Nothing, one row, one block, and many.
    for (count, block) in [(0_u64, 100_u64), (1, 100), (3_000, 100_000), (70_000, 1_000)] {
        let sql = ROWS.replace("{count}", &count.to_string());
        let options = Options::new().setting("max_block_size", block);
        let expected = client.query_bytes(&sql, &options.clone().format("RowBinary")).await.unwrap();
        let mut reader = client.query_native(&sql, &options).await.unwrap();
        let (mut rows, mut read) = (Vec::new(), 0);
        while let Some(more) = reader.next_rows(&mut rows).await.unwrap() {
            read += more as u64;
        }
        assert_eq!(read, count);
        assert!(rows == expected, "{count} rows differ");
    }
    let mut reader = client.query_native("SELECT map('a', 1) AS m", &Options::new()).await.unwrap();
    let refused = reader.next_rows(&mut Vec::new()).await.unwrap_err().to_string();
    assert!(refused.contains("column m has the type Map"), "{refused}");
    let sql = "SELECT throwIf(number = 500000) FROM numbers(1000000)";
    let options = Options::new().setting("max_block_size", 1_000);
    let ended = match client.query_native(sql, &options).await {
        Err(error) => error,
        Ok(mut reader) => loop {
            match reader.next_rows(&mut Vec::new()).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("an exception was taken for the end"),
                Err(error) => break error,
            }
        },
    };
    assert!(ended.code() == Some(395), "{ended}");
    assert_eq!(warehouse.stop().0, Some(0));
}
