//! People who do research: what their accounts may not do, what a quota refuses, and Arrow in parts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kt_warehouse::Client;
use kt_warehouse::accounts::{Account, Accounts, Quota, Size};
use kt_warehouse::client::{ClientError, Options};

use crate::harness::{Setup, Warehouse, directory};

const NAME: &str = "research_ann_s";
const ROWS: u64 = 300_000;
/// Takes many seconds, little memory and few enough rows, in blocks of 500.
const SLOW: &str = "SELECT sum(arraySum(arrayMap(x -> sipHash64(x, number), range(1000)))) FROM numbers(500000)";

/// A warehouse with a small `landing.trade` and a database that is none of research's business.
async fn start(setup: &mut Setup) -> (Warehouse, Accounts) {
    setup.research = true;
    let warehouse = setup.start();
    let admin = warehouse.client();
    let statements = [
        "CREATE DATABASE landing".to_owned(),
        "CREATE DATABASE private".to_owned(),
        "CREATE TABLE private.t (a Int8) ENGINE = MergeTree ORDER BY a".to_owned(),
        "CREATE TABLE landing.trade (event_ts DateTime64(9, 'UTC'), venue LowCardinality(String), \
         price Decimal(38, 18)) ENGINE = MergeTree ORDER BY event_ts"
            .to_owned(),
        format!(
            "INSERT INTO landing.trade SELECT fromUnixTimestamp64Nano(toInt64(number * 1000)), \
             ['a', 'b'][1 + number % 2], toDecimal128(number, 18) / 3 FROM numbers({ROWS})"
        ),
    ];
    for sql in &statements {
        admin.execute(sql, &Options::new()).await.expect(sql);
    }
    let accounts = Accounts::new(setup.data.join("accounts"));
    (warehouse, accounts)
}

fn small() -> Quota {
    Quota::of(Size::Small)
}

async fn ask(client: &Client, sql: &str) -> Result<String, ClientError> {
    client.query_bytes(sql, &Options::new()).await.map(|answer| String::from_utf8_lossy(&answer).trim().to_owned())
}

pub async fn accounts_read_and_nothing_else() {
    let directory = directory();
    let (warehouse, accounts) = start(&mut Setup::new(directory.path())).await;
    let ann = warehouse.research_client(NAME, "secret");
    assert_eq!(ask(&ann, "SELECT 1").await.unwrap_err().code(), Some(516), "before the account was made");
    accounts.put(&Account::new(NAME, "secret", small()).unwrap()).unwrap();
    assert_eq!(ask(&ann, "SELECT count() FROM landing.trade").await.unwrap(), ROWS.to_string());
    assert_eq!(ask(&ann, "SELECT max(number) FROM numbers(10)").await.unwrap(), "9");
    assert_eq!(ask(&ann, "SHOW DATABASES LIKE 'landing'").await.unwrap(), "landing");
    assert!(ask(&ann, "SELECT name FROM system.columns WHERE database = 'landing'").await.unwrap().contains("price"));
    assert_eq!(ask(&ann, "SELECT count() FROM system.tables WHERE database = 'private'").await.unwrap(), "0");

    let refused = [
        "INSERT INTO landing.trade SELECT * FROM landing.trade",
        "INSERT INTO landing.trade FORMAT CSV 1,a,1",
        "ALTER TABLE landing.trade DELETE WHERE 1",
        "TRUNCATE TABLE landing.trade",
        "DROP TABLE landing.trade",
        "OPTIMIZE TABLE landing.trade FINAL",
        "CREATE TABLE landing.x (a Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE x (a Int8)",
        "CREATE DATABASE x",
        "CREATE USER x",
        "GRANT ALL ON *.* TO default",
        "SELECT * FROM private.t",
        "SELECT * FROM merge('private', '.*')",
        "SELECT * FROM default.`warehouse.lock`",
        "SELECT * FROM default.`accounts/research_ann_s.json`",
        "SELECT * FROM cluster('default', 'private', 't')",
        "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM mergeTreeIndex('private', 't')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'TSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM executable('x', 'TSV', 'a String')",
        "SELECT * FROM file('accounts/research_ann_s.json', 'LineAsString')",
        "SELECT file('accounts/research_ann_s.json')",
        "SELECT 1 INTO OUTFILE 'out'",
        "SYSTEM STOP MERGES",
        "KILL QUERY WHERE 1",
        "SET max_memory_usage = 0",
        "SET ROLE ALL",
        "SELECT 1 SETTINGS max_memory_usage = 0",
        "SELECT 1 SETTINGS max_result_rows = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 FORMAT Template SETTINGS format_template_resultset = '/etc/passwd'",
        "BACKUP TABLE landing.trade TO Disk('default', 'x')",
    ];
    for sql in refused {
        match ask(&ann, sql).await {
            Ok(answer) => panic!("{sql} gave {answer}"),
            Err(error) => assert!(error.code().is_some_and(|code| code != 1001), "{sql}: {error}"),
        }
    }
    for name in ["max_memory_usage", "readonly", "max_threads", "format_template_resultset", "output_format_schema"] {
        let error = ann.query_bytes("SELECT 1", &Options::new().setting(name, "/etc/passwd")).await.unwrap_err();
        assert_eq!(error.code(), Some(164), "{name}: {error}");
    }
    // Neither address knows the other's users.
    for (name, password) in [("default", ""), ("", ""), (NAME, "wrong"), ("research_bob", "secret"), ("../x", "")] {
        let error = ask(&warehouse.research_client(name, password), "SELECT 1").await.unwrap_err();
        assert_eq!(error.code(), Some(516), "{name}: {error}");
    }
    let elsewhere = warehouse.client().with_user(NAME, "secret");
    assert_eq!(ask(&elsewhere, "SELECT 1").await.unwrap_err().code(), Some(516));

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    accounts.put(&Account::new(NAME, "secret", small()).unwrap().until(now)).unwrap();
    assert!(ask(&ann, "SELECT 1").await.unwrap_err().to_string().contains("expired"));
    accounts.put(&Account::new(NAME, "other", small()).unwrap()).unwrap();
    assert_eq!(ask(&ann, "SELECT 1").await.unwrap_err().code(), Some(516), "the password was changed");
    assert!(accounts.remove(NAME).unwrap());
    assert_eq!(ask(&warehouse.research_client(NAME, "other"), "SELECT 1").await.unwrap_err().code(), Some(516));
    assert_eq!(ask(&warehouse.client(), "SELECT count() FROM landing.trade").await.unwrap(), ROWS.to_string());
}

pub async fn quotas_hold() {
    let directory = directory();
    let (warehouse, accounts) = start(&mut Setup::new(directory.path())).await;
    let quota = Quota {
        memory_bytes: 64 << 20,
        seconds: 2,
        result_rows: 200_000,
        result_bytes: 8 << 20,
        read_rows: 2 * ROWS,
        read_bytes: 1 << 30,
        threads: 1,
        concurrent: 2,
    };
    accounts.put(&Account::new(NAME, "secret", quota).unwrap()).unwrap();
    let ann = warehouse.research_client(NAME, "secret");
    let small_blocks = Options::new().setting("max_block_size", 500);
    let cases = [
        ("rows of a result", "SELECT event_ts FROM landing.trade FORMAT Null", 396),
        ("rows of a streamed result", "SELECT event_ts FROM landing.trade FORMAT ArrowStream", 396),
        ("rows of a generated result", "SELECT number FROM numbers(300000) FORMAT TSV", 396),
        (
            "bytes of a result",
            "SELECT concat(repeat('x', 90), toString(event_ts)) FROM landing.trade FORMAT ArrowStream",
            396,
        ),
        ("rows read", "SELECT count() FROM landing.trade a, landing.trade b, landing.trade c WHERE a.price > 0", 158),
        ("memory", "SELECT groupArray(repeat(toString(price), 10)) FROM landing.trade FORMAT Null", 241),
        ("time", SLOW, 159),
    ];
    for (what, sql, code) in cases {
        let error = match ann.query_bytes(sql, &small_blocks).await {
            Ok(answer) => panic!("{what}: {sql} gave {} bytes", answer.len()),
            Err(error) => error,
        };
        println!("  {what}: {}", error.to_string().chars().take(160).collect::<String>());
        assert_eq!(error.code(), Some(code), "{what}: {error}");
    }
    // Asking for less is allowed, asking for more gives no more.
    for (rows, is_enough) in [("150000", false), ("250000", true)] {
        let sql = "SELECT event_ts FROM landing.trade LIMIT 180000 FORMAT Null";
        let answer = ann.query_bytes(sql, &Options::new().setting("max_result_rows", rows)).await;
        assert_eq!(answer.is_ok(), is_enough, "{rows}: {answer:?}");
    }
    let more = Options::new().setting("max_result_rows", "999999999").setting("result_overflow_mode", "break");
    let error = ann.query_bytes("SELECT event_ts FROM landing.trade FORMAT Null", &more).await.unwrap_err();
    assert_eq!(error.code(), Some(396), "{error}");

    // Two statements run, the third is told why not; a client that leaves gives its turn back.
    let running: Vec<_> = (0..2)
        .map(|_| {
            let client = ann.clone();
            let options = small_blocks.clone();
            tokio::spawn(async move { client.query_bytes(SLOW, &options).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let error = ask(&ann, "SELECT 1").await.unwrap_err();
    assert_eq!(error.code(), Some(202), "{error}");
    assert!(error.to_string().contains("quota"), "{error}");
    running.iter().for_each(tokio::task::JoinHandle::abort);
    let freed = async {
        while ask(&ann, "SELECT 1").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), freed).await.expect("a turn");
}

pub async fn arrow_streams() {
    let directory = directory();
    let (warehouse, accounts) = start(&mut Setup::new(directory.path())).await;
    accounts.put(&Account::new(NAME, "secret", small()).unwrap()).unwrap();
    let ann = warehouse.research_client(NAME, "secret");
    let end = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    let messages = |stream: &[u8]| {
        let schema = u32::from_le_bytes(stream[4..8].try_into().unwrap()) as usize + 8;
        stream.windows(schema).filter(|window| *window == &stream[..schema]).count()
    };
    let small_parts = Options::new().setting("max_block_size", 65409);
    for sql in ["SELECT * FROM landing.trade", "SELECT * FROM landing.trade WHERE venue = 'none'"] {
        let stream = ann.query_bytes(&format!("{sql} FORMAT ArrowStream"), &small_parts).await.expect(sql);
        assert!(stream.starts_with(&end[..4]) && stream.ends_with(&end), "{sql}");
        assert_eq!(messages(&stream), 1, "{sql}: one schema");
        assert_eq!(stream.windows(8).filter(|window| *window == end).count(), 1, "{sql}: one end");
    }
}
