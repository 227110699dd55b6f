//! Data in and out: size, atomicity, compression.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use kt_warehouse::client::Options;
use kt_warehouse::{Client, framing};

use crate::harness::{Setup, Warehouse, directory};

const TABLE: &str = "CREATE TABLE market.t (id UInt64, text String) ENGINE = MergeTree ORDER BY id";

pub async fn table(warehouse: &Warehouse) -> Client {
    let client = warehouse.client();
    client.execute("CREATE DATABASE market", &Options::new()).await.unwrap();
    client.execute(TABLE, &Options::new()).await.unwrap();
    client
}

pub fn rows(ids: std::ops::Range<u64>) -> Bytes {
    let mut rows = Vec::new();
    for id in ids {
        rows.extend(id.to_le_bytes());
        let text = format!("row {id}");
        rows.push(text.len() as u8);
        rows.extend(text.as_bytes());
    }
    rows.into()
}

pub async fn count(client: &Client) -> u64 {
    let answer = client.query_bytes("SELECT count() FROM market.t", &Options::new()).await.unwrap();
    String::from_utf8_lossy(&answer).trim().parse().unwrap()
}

pub async fn one_insert_is_one_part() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = table(&warehouse).await;
    let written = client.insert_row_binary("market.t", None, rows(0..100_000), &Options::new()).await.unwrap();
    assert_eq!(written, 100_000);
    // The same through a slow chunked body in CSV, which the engine would parse in parallel.
    let pieces = (0..40_u64).map(|piece| {
        let lines: String = (0..50_000).map(|line| format!("{},\"x\"\n", 1_000_000 + piece * 50_000 + line)).collect();
        Ok::<_, std::io::Error>(Bytes::from(lines))
    });
    let written = client
        .insert_stream("INSERT INTO market.t FORMAT CSV", futures::stream::iter(pieces), &Options::new())
        .await
        .unwrap();
    assert_eq!(written, 2_000_000);
    let parts = "SELECT rows FROM system.parts WHERE database = 'market' AND active AND level = 0 ORDER BY rows";
    let parts = client.query_bytes(parts, &Options::new()).await.unwrap();
    assert_eq!(parts.as_ref(), b"100000\n2000000\n");
}

pub async fn large_results_stream() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    client
        .query_bytes("SELECT number, toString(number) FROM numbers(1000000) FORMAT RowBinary", &Options::new())
        .await
        .unwrap();
    let before = warehouse.memory();
    let sql = "SELECT number, repeat('x', 100) FROM numbers(10000000) FORMAT RowBinary";
    let mut reader = client.query_stream(sql, &Options::new()).await.unwrap();
    let (mut size, mut peak) = (0_u64, 0);
    while let Some(piece) = reader.next_piece().await.unwrap() {
        let next = size + piece.len() as u64;
        if next / (50 << 20) != size / (50 << 20) {
            peak = peak.max(warehouse.memory());
        }
        size = next;
    }
    assert_eq!(size, 10_000_000 * 109);
    println!("  {} MiB result, memory {before} MiB before, {peak} MiB at most", size >> 20);
    assert!(peak < before + 400, "memory grew from {before} to {peak} MiB while streaming");
}

pub async fn a_failure_in_the_midst_is_an_error() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let sql = "SELECT number, repeat('x', 100), throwIf(number = 3000000, 'halfway') FROM numbers(5000000) SETTINGS max_threads=1, max_block_size=65409 FORMAT RowBinary";
    let mut reader = warehouse.client().query_stream(sql, &Options::new()).await.unwrap();
    let (mut size, mut paused) = (0, false);
    let error = loop {
        match reader.next_piece().await {
            Ok(Some(piece)) => {
                size += piece.len();
                // A slow reader: the exception waits behind data that the connection still holds.
                if size > 318_000_000 && !paused {
                    paused = true;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
            Ok(None) => panic!("{size} bytes passed for a whole result"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some(395), "{error}");
    assert!(error.to_string().contains("halfway") && size > 100_000_000, "{error} after {size}");
}

pub async fn aborted_bodies_insert_nothing() {
    let directory = directory();
    let mut setup = Setup::new(directory.path());
    setup.idle_seconds = 1;
    let warehouse = setup.start();
    let client = table(&warehouse).await;
    let whole = rows(0..600_000);
    let cut = whole.slice(..whole.len() * 2 / 3);
    // An error of the client's own stream cuts the connection.
    let pieces = [Ok(cut.clone()), Err(std::io::Error::other("the source failed"))];
    let error = client
        .insert_stream("INSERT INTO market.t FORMAT RowBinary", futures::stream::iter(pieces), &Options::new())
        .await
        .unwrap_err();
    assert_eq!(error.code(), None, "{error}");
    // Fewer bytes than announced, then silence: answered with 400.
    let answer = tokio::task::spawn_blocking({
        let (address, cut) = (warehouse.url.replace("http://", ""), cut.clone());
        move || {
            let mut socket = std::net::TcpStream::connect(address).unwrap();
            let head = format!(
                "POST /?query=INSERT%20INTO%20market.t%20FORMAT%20RowBinary HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
                cut.len() + 100
            );
            socket.write_all(head.as_bytes()).unwrap();
            socket.write_all(&cut).unwrap();
            let mut answer = String::new();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let _ = socket.read_to_string(&mut answer);
            answer
        }
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("nothing was inserted"), "{answer}");
    // A row cut in two, and data that is none.
    for (format, data) in
        [("RowBinary", cut.slice(..cut.len() - 3)), ("JSONEachRow", Bytes::from_static(b"{\"id\": 1}\n{\"id\": x}\n"))]
    {
        let statement = format!("INSERT INTO market.t FORMAT {format}");
        let pieces = futures::stream::iter([Ok::<_, std::io::Error>(data)]);
        let error = client.insert_stream(&statement, pieces, &Options::new()).await.unwrap_err();
        assert!(error.code().is_some(), "{error}");
    }
    assert_eq!(count(&client).await, 0);
    client.insert_row_binary("market.t", None, whole, &Options::new()).await.unwrap();
    assert_eq!(count(&client).await, 600_000);
    let metrics = reqwest::get(format!("{}/metrics", warehouse.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("kt_warehouse_dropped_total{cause=\"broken_body\"} 2"), "{metrics}");
}

fn packed(encoding: &str, plain: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::encode_all(plain, 1).unwrap(),
        "lz4" => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        other => panic!("{other}"),
    }
}

fn unpacked(encoding: &str, packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match encoding {
        "gzip" => flate2::read::GzDecoder::new(packed).read_to_end(&mut plain),
        "zstd" => zstd::stream::read::Decoder::new(packed).unwrap().read_to_end(&mut plain),
        "lz4" => lz4_flex::frame::FrameDecoder::new(packed).read_to_end(&mut plain),
        other => panic!("{other}"),
    }
    .unwrap();
    plain
}

pub async fn compression_both_ways() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = table(&warehouse).await;
    let http = reqwest::Client::builder().no_gzip().build().unwrap();
    let insert = format!("{}/?query=INSERT%20INTO%20market.t%20FORMAT%20RowBinary", warehouse.url);
    let select = "SELECT number FROM numbers(300000) FORMAT RowBinary";
    let expected: Vec<u8> = (0..300_000_u64).flat_map(u64::to_le_bytes).collect();
    for (round, encoding) in ["gzip", "zstd", "lz4"].into_iter().enumerate() {
        let plain = rows(0..200_000);
        let body = packed(encoding, &plain);
        let short = body[..body.len() - 5].to_vec();
        let send = |body: Vec<u8>| http.post(&insert).header("Content-Encoding", encoding).body(body).send();
        assert_eq!(send(body).await.unwrap().status(), 200, "{encoding}");
        assert_eq!(count(&client).await, 200_000 * (round as u64 + 1), "{encoding}");
        assert_eq!(send(short).await.unwrap().status(), 400, "{encoding} cut short");
        let ask =
            http.post(format!("{}/?enable_http_compression=1", warehouse.url)).header("Accept-Encoding", encoding);
        let answer = ask.body(select).send().await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], encoding);
        assert!(unpacked(encoding, &answer.bytes().await.unwrap()) == expected, "{encoding}");
    }
    for (name, method) in [("lz4", framing::Method::Lz4), ("zstd", framing::Method::Zstd)] {
        let mut body = Vec::new();
        framing::encode(&rows(0..100_000), method, &mut body).unwrap();
        let before = count(&client).await;
        let address = format!("{insert}&decompress=1");
        assert_eq!(http.post(&address).body(body.clone()).send().await.unwrap().status(), 200);
        assert_eq!(count(&client).await, before + 100_000);
        body[100] ^= 1;
        assert_eq!(http.post(&address).body(body).send().await.unwrap().status(), 400, "damaged {name}");
        let address = format!("{}/?compress=1&network_compression_method={name}", warehouse.url);
        for (sql, status) in [(select, 200), ("SELECT nonsense", 404)] {
            let answer = http.post(&address).body(sql).send().await.unwrap();
            assert_eq!(answer.status(), status);
            let framed = answer.bytes().await.unwrap();
            let mut plain = Vec::new();
            framing::Decoder::new(framed.as_ref()).read_to_end(&mut plain).unwrap();
            assert!(if status == 200 { plain == expected } else { plain.starts_with(b"Code: 47.") });
        }
    }
}

/// ClickHouse's files are framed as its compressed HTTP bodies are: the engine's own files prove
/// the decoder, checksum included.
pub async fn framing_reads_the_engines_files() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    client.execute("CREATE DATABASE market", &Options::new()).await.unwrap();
    let create = "CREATE TABLE market.t (id UInt64 CODEC(LZ4), z UInt64 CODEC(ZSTD)) ENGINE = MergeTree ORDER BY id SETTINGS min_bytes_for_wide_part = 0";
    client.execute(create, &Options::new()).await.unwrap();
    client.execute("INSERT INTO market.t SELECT number, number FROM numbers(200000)", &Options::new()).await.unwrap();
    let expected: Vec<u8> = (0..200_000_u64).flat_map(u64::to_le_bytes).collect();
    for name in ["id.bin", "z.bin"] {
        let path = find(&warehouse.setup.data.join("engine/store"), name).unwrap();
        let mut plain = Vec::new();
        framing::Decoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut plain).unwrap();
        assert!(plain == expected, "{name}");
    }
}

fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(directory).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { find(&path, name) } else { (entry.file_name() == name).then_some(path) }
    })
}
