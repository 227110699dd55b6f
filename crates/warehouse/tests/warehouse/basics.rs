//! Statements, types, parameters, formats, sessions, errors.

use std::collections::HashMap;

use kt_warehouse::client::Options;
use serde::Deserialize;

use crate::harness::{Setup, Warehouse, directory};

/// A raw request; returns status, headers and body.
async fn post(warehouse: &Warehouse, address: &str, body: &'static str) -> (u16, reqwest::header::HeaderMap, String) {
    let url = format!("{}/{address}", warehouse.url);
    let response = reqwest::Client::new().post(url).body(body).send().await.unwrap();
    (response.status().as_u16(), response.headers().clone(), response.text().await.unwrap())
}

pub async fn types_round_trip() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        id: u64,
        price: String,
        at: String,
        side: String,
        levels: Vec<(i64, i64)>,
        note: Option<String>,
        name: String,
    }
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    let none = Options::new();
    client.execute("CREATE DATABASE market", &none).await.unwrap();
    let create = "CREATE TABLE market.t (id UInt64, price Decimal(38, 18), at DateTime64(9, 'UTC'), side Enum8('buy' = 1, 'sell' = 2), \
                  levels Array(Tuple(Int64, Int64)), note Nullable(String), name LowCardinality(String)) ENGINE = MergeTree ORDER BY id";
    client.execute(create, &none).await.unwrap();
    // The largest id, the smallest price, a nanosecond, text that every escape must survive.
    let price: i128 = -1;
    let mut row = u64::MAX.to_le_bytes().to_vec();
    row.extend(price.to_le_bytes());
    row.extend(1_700_000_000_123_456_789_i64.to_le_bytes());
    row.push(2);
    row.push(2);
    for number in [1_i64, -2, i64::MIN, i64::MAX] {
        row.extend(number.to_le_bytes());
    }
    row.push(1);
    let name = "it's \\ a\ttab\nand \u{1f980}";
    row.push(name.len() as u8);
    row.extend(name.as_bytes());
    let written = client.insert_row_binary("market.t", None, row.clone().into(), &none).await.unwrap();
    assert_eq!(written, 1);
    let rows: Vec<Row> = client.query_rows("SELECT * FROM market.t", &none).await.unwrap();
    let expected = Row {
        id: u64::MAX,
        price: "-0.000000000000000001".to_owned(),
        at: "2023-11-14 22:13:20.123456789".to_owned(),
        side: "sell".to_owned(),
        levels: vec![(1, -2), (i64::MIN, i64::MAX)],
        note: None,
        name: name.to_owned(),
    };
    assert_eq!(rows, [expected]);
    let back = client.query_bytes("SELECT * FROM market.t FORMAT RowBinary", &none).await.unwrap();
    assert_eq!(back, row);
    // Inserts of other shapes: data in the statement, columns named, statement in the body.
    client.execute("INSERT INTO market.t (id, name) VALUES (1, 'a'), (2, upper('b'));", &none).await.unwrap();
    client
        .execute(
            "INSERT INTO market.t (id, name) SETTINGS max_threads=1 FORMAT JSONEachRow {\"id\": 3, \"name\": \"c\"}",
            &none,
        )
        .await
        .unwrap();
    client
        .insert_row_binary("market.t", Some(&["name", "id"]), vec![1, b'd', 4, 0, 0, 0, 0, 0, 0, 0].into(), &none)
        .await
        .unwrap();
    let names = client.query_bytes("SELECT name FROM market.t WHERE id < 9 ORDER BY id", &none).await.unwrap();
    assert_eq!(names.as_ref(), b"a\nB\nc\nd\n");
    let (code, seconds) = warehouse.stop();
    assert_eq!(code, Some(0));
    assert!(seconds < 3.0, "stopping an idle warehouse took {seconds} s");
}

pub async fn parameters() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    let text = "it's \\n not\ta 'break'\n\\";
    let options = Options::new().param("text", text).param("n", 7).param("table", "one").param("list", "[1,2]");
    let sql = "SELECT {text:String} AS text, {n:UInt8} + 1 AS n, length({list:Array(UInt8)}) AS l FROM system.{table:Identifier}";
    let row: HashMap<String, serde_json::Value> = client.query_row(sql, &options).await.unwrap().unwrap();
    assert_eq!((row["text"].as_str(), row["n"].as_u64(), row["l"].as_u64()), (Some(text), Some(8), Some(2)));
    let missing = client.query_bytes("SELECT {absent:UInt8}", &Options::new()).await.unwrap_err();
    assert_eq!(missing.code(), Some(456), "{missing}");
    let wrong = client.query_bytes("SELECT {n:UInt8}", &Options::new().param("n", "x")).await.unwrap_err();
    assert_eq!(wrong.code(), Some(457), "{wrong}");
}

pub async fn formats_and_headers() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    // Streamed in several parts, with one header; the whole equals the engine's own document.
    let sql = "SELECT number AS `a\"b`, toString(number) AS s FROM numbers(150000) FORMAT";
    for format in [
        "CSVWithNames",
        "TabSeparatedWithNamesAndTypes",
        "RowBinaryWithNamesAndTypes",
        "JSONCompactEachRowWithNames",
        "TSV",
    ] {
        let streamed = client.query_bytes(&format!("{sql} {format}"), &Options::new()).await.unwrap();
        let count = "SELECT count(), sum(`a\"b`) FROM check.t";
        client.execute("CREATE DATABASE IF NOT EXISTS check", &Options::new()).await.unwrap();
        client
            .execute("CREATE OR REPLACE TABLE check.t (`a\"b` UInt64, s String) ENGINE = Memory", &Options::new())
            .await
            .unwrap();
        let statement = format!("INSERT INTO check.t FORMAT {format}");
        let pieces = futures::stream::iter([Ok::<_, std::io::Error>(streamed)]);
        client.insert_stream(&statement, pieces, &Options::new()).await.unwrap();
        let answer = client.query_bytes(count, &Options::new()).await.unwrap();
        assert_eq!(answer.as_ref(), b"150000\t11249925000\n", "{format}");
    }
    let json = client.query_bytes("SELECT number FROM numbers(150000) FORMAT JSON", &Options::new()).await.unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["rows"], 150_000);
    let empty = client.query_bytes("SELECT 1 AS x WHERE 0 FORMAT CSVWithNames", &Options::new()).await.unwrap();
    assert_eq!(empty.as_ref(), b"\"x\"\n");
    let totals = client
        .query_bytes(
            "SELECT number % 2 AS x, count() FROM numbers(10) GROUP BY x WITH TOTALS ORDER BY x",
            &Options::new(),
        )
        .await
        .unwrap();
    assert_eq!(totals.as_ref(), b"0\t5\n1\t5\n\n0\t10\n");
    let (status, headers, body) =
        post(&warehouse, "?query_id=mine&default_format=JSONEachRow", "SELECT sum(number) AS s FROM numbers(1000)")
            .await;
    assert_eq!((status, body.as_str()), (200, "{\"s\":499500}\n"));
    assert_eq!(headers["x-clickhouse-query-id"], "mine");
    assert_eq!(headers["x-clickhouse-format"], "JSONEachRow");
    assert_eq!(headers["x-clickhouse-timezone"], "UTC");
    assert!(headers["x-clickhouse-summary"].to_str().unwrap().contains("\"read_rows\":\"1000\""));
    assert_eq!(client.query_bytes("SELECT timezone()", &Options::new()).await.unwrap().as_ref(), b"UTC\n");
    let get = |path: &str| reqwest::get(format!("{}{path}", warehouse.url));
    assert_eq!(get("/ping").await.unwrap().text().await.unwrap(), "Ok.\n");
    let health = get("/health").await.unwrap();
    assert_eq!(health.status(), 200);
    assert!(health.text().await.unwrap().contains("\"status\":\"ok\""));
    let metrics = get("/metrics").await.unwrap().text().await.unwrap();
    assert!(metrics.contains("kt_warehouse_statements_total{kind=\"select\",code=\"0\"}"), "{metrics}");
}

pub async fn sessions() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    let (one, other) = (Options::new().session("one"), Options::new().session("two"));
    client.execute("CREATE TEMPORARY TABLE kept (a Int32)", &one).await.unwrap();
    client.execute("INSERT INTO kept VALUES (41), (1)", &one).await.unwrap();
    let sum = client.query_bytes("SELECT sum(a) FROM kept", &one).await.unwrap();
    assert_eq!(sum.as_ref(), b"42\n");
    for options in [&other, &Options::new()] {
        assert_eq!(client.query_bytes("SELECT * FROM kept", options).await.unwrap_err().code(), Some(60));
    }
    // SET lasts in a session; a parameter of one request does not, nor does its database.
    client.execute("SET max_threads = 3", &one).await.unwrap();
    let threads = "SELECT getSetting('max_threads'), getSetting('max_block_size'), currentDatabase()";
    let once = one.clone().setting("max_threads", 2).setting("max_block_size", 77).database("system");
    assert_eq!(client.query_bytes(threads, &once).await.unwrap().as_ref(), b"2\t77\tsystem\n");
    let after = client.query_bytes(threads, &one).await.unwrap();
    assert_eq!(after.as_ref(), b"3\t65409\tdefault\n");
    // Two requests of one session at once: the second waits.
    let slow = client.query_bytes("SELECT sleep(1)", &one);
    let quick = client.query_bytes("SELECT sum(a) FROM kept", &one);
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!((slow.unwrap().as_ref(), quick.unwrap().as_ref()), (b"0\n".as_slice(), b"42\n".as_slice()));
    let check = one.clone().session("unknown").setting("session_check", 1);
    assert_eq!(client.query_bytes("SELECT 1", &check).await.unwrap_err().code(), Some(372));
    // An expired session is closed, its tables with it.
    let short = Options::new().session("short").setting("session_timeout", 0);
    client.execute("CREATE TEMPORARY TABLE kept (a Int32)", &short).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(client.query_bytes("SELECT * FROM kept", &short).await.unwrap_err().code(), Some(60));
}

pub async fn errors() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let cases: &[(&str, &str, u16, i32)] = &[
        ("", "SELECT * FROM nowhere.t", 404, 81),
        ("", "SELECT * FROM system.nothing", 404, 60),
        ("", "selec 1", 400, 62),
        ("", "SELECT 1; SELECT 2", 400, 62),
        ("", "SELECT toUInt8('x')", 400, 6),
        ("?no_such_setting=1", "SELECT 1", 404, 115),
        ("?max_execution_time=0.2", "SELECT sum(number) FROM numbers(100000000000)", 408, 159),
        (
            "?max_memory_usage=2000000",
            "SELECT number FROM numbers(10000000) ORDER BY number DESC LIMIT 5000000 FORMAT Null",
            500,
            241,
        ),
        ("?database=nowhere", "SELECT 1", 404, 81),
        ("", "INSERT INTO nowhere.t FORMAT CSV\n1", 404, 81),
        ("", "INSERT INTO t SELECT * FROM input('a Int8') FORMAT CSV\n1", 501, 48),
        ("", "SELECT 1 FORMAT Nonsense", 404, 73),
    ];
    for (address, body, status, code) in cases {
        let (found, headers, text) = post(&warehouse, address, body).await;
        assert_eq!(found, *status, "{body}: {text}");
        assert_eq!(headers["x-clickhouse-exception-code"], code.to_string().as_str(), "{body}");
        assert!(text.starts_with(&format!("Code: {code}. DB::Exception: ")) && text.contains("(version 26."), "{text}");
    }
    let url = format!("{}/?query=CREATE%20DATABASE%20x", warehouse.url);
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 403, "GET must not change anything");
    assert_eq!(
        reqwest::get(url.replace("CREATE%20DATABASE%20x", "SELECT%201")).await.unwrap().text().await.unwrap(),
        "1\n"
    );
    // The message of the engine's own prose is not lost, and the server goes on.
    assert_eq!(post(&warehouse, "", "SELECT 1").await.2, "1\n");
}
