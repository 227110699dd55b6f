//! Users, and what the sandbox keeps from everybody.

use std::process::Command;

use kt_warehouse::UserConfig;
use kt_warehouse::client::Options;
use sha2::{Digest, Sha256};

use crate::harness::{Setup, directory};
use crate::transfer::{count, rows, table};

fn user(name: &str, password: &str, readonly: bool) -> UserConfig {
    let hash: String = Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect();
    UserConfig {
        name: name.to_owned(),
        password_sha256: Some(hash),
        readonly,
        max_memory_bytes: readonly.then_some(500_000_000),
        max_execution_seconds: readonly.then_some(5),
    }
}

pub async fn readers_cannot_write() {
    let directory = directory();
    let mut setup = Setup::new(directory.path());
    setup.users = vec![user("admin", "a", false), user("reader", "r", true)];
    let warehouse = setup.start();
    let none = Options::new();
    for (name, password) in [("reader", "wrong"), ("nobody", ""), ("default", "")] {
        let error = warehouse.client().with_user(name, password).query_bytes("SELECT 1", &none).await.unwrap_err();
        assert_eq!(error.code(), Some(516), "{name}: {error}");
    }
    let reader = warehouse.client().with_user("reader", "r");
    let admin = warehouse.client().with_user("admin", "a");
    admin.execute("CREATE DATABASE market", &none).await.unwrap();
    admin
        .execute("CREATE TABLE market.t (id UInt64, text String) ENGINE = MergeTree ORDER BY id", &none)
        .await
        .unwrap();
    admin.insert_row_binary("market.t", None, rows(0..10), &none).await.unwrap();
    assert_eq!(count(&reader).await, 10);
    let described = reader.query_bytes("DESCRIBE market.t", &none).await.unwrap();
    assert!(described.starts_with(b"id\tUInt64"));
    let refused = [
        "INSERT INTO market.t VALUES (1, 'x')",
        "INSERT INTO market.t SELECT 1, 'x'",
        "DROP TABLE market.t",
        "ALTER TABLE market.t DELETE WHERE 1",
        "CREATE TEMPORARY TABLE z (a Int8)",
        "CREATE DATABASE z",
        "SELECT 1 INTO OUTFILE 'out'",
        "SELECT file('users.xml')",
        "SELECT `file`('users.xml')",
        "SELECT \"fi\\x6ce\"('users.xml')",
        "SELECT * APPLY(file) FROM (SELECT 'users.xml')",
        "SELECT 1 as a$b$, file('users.xml') as c$b$",
        "SELECT * FROM file('users.xml', 'LineAsString')",
        "SELECT * FROM default.`users.xml`",
        "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'TSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "SELECT * FROM executable('x', 'TSV', 'a String')",
        "SET readonly = 0",
        "SET ROLE ALL",
        "SET ROLE admin",
        "SYSTEM FLUSH LOGS",
        "KILL QUERY WHERE 1",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "SELECT 1; DROP TABLE market.t",
        "EXPLAIN SELECT file('users.xml')",
        "selec 1",
    ];
    for sql in refused {
        let error = reader.query_bytes(sql, &none).await.expect_err(sql);
        assert!(error.code().is_some(), "{sql}: {error}");
    }
    for (name, value) in
        [("readonly", "0"), ("max_execution_time", "100"), ("implicit_select", "1"), ("max_memory_usage", "0")]
    {
        let error = reader.query_bytes("SELECT 1", &none.clone().setting(name, value)).await.unwrap_err();
        assert_eq!(error.code(), Some(164), "{name}: {error}");
    }
    let looks = none.clone().setting("output_format_json_quote_64bit_integers", 1);
    assert!(
        reader
            .query_bytes("SELECT toUInt64(1) AS x FORMAT JSONEachRow", &looks)
            .await
            .unwrap()
            .starts_with(b"{\"x\":\"1\"}")
    );
    let long =
        reader.query_bytes("SELECT sum(sipHash64(number)) FROM numbers(1000000000000)", &none).await.unwrap_err();
    assert_eq!(long.code(), Some(159), "{long}");
    // A reader's session gives it nothing to keep.
    let session = none.clone().session("s");
    assert!(reader.execute("CREATE TEMPORARY TABLE z (a Int8)", &session).await.is_err());
    assert_eq!(count(&admin).await, 10);
}

/// Even the full user cannot leave the process: what the engine's functions reach is the
/// warehouse's own directory.
pub async fn the_sandbox_holds() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = table(&warehouse).await;
    let none = Options::new();
    std::fs::write(directory.path().join("outside"), "secret").unwrap();
    let outside = directory.path().join("outside").display().to_string();
    let refused = [
        "SELECT * FROM file('/etc/passwd', 'LineAsString')".to_owned(),
        "SELECT file('/etc/passwd')".to_owned(),
        "SELECT file('/proc/self/environ')".to_owned(),
        "SELECT file('/proc/1/environ')".to_owned(),
        "SELECT * FROM default.`/etc/passwd`".to_owned(),
        format!("SELECT * FROM file('{outside}', 'LineAsString')"),
        format!("SELECT 1 INTO OUTFILE '{outside}.new'"),
        format!("INSERT INTO FUNCTION file('{outside}.new', 'TSV', 'a Int8') VALUES (1)"),
        "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String') SETTINGS http_max_tries = 1".to_owned(),
        "SELECT * FROM executable('/bin/true', 'TSV', 'a String')".to_owned(),
    ];
    for sql in &refused {
        match client.query_bytes(sql, &none).await {
            Ok(answer) => panic!("{sql} gave {answer:?}"),
            Err(error) => println!("  refused: {sql}: {}", error.to_string().chars().take(110).collect::<String>()),
        }
    }
    assert!(!directory.path().join("outside.new").exists());
    // What is left of the environment holds no secret, wherever it is looked for.
    let task = format!("SELECT file('/proc/self/task/{}/environ')", warehouse.pid());
    if let Ok(answer) = client.query_bytes(&task, &none).await {
        assert!(!String::from_utf8_lossy(&answer).contains("do-not-leak"), "{answer:?}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", warehouse.pid())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    // SAFETY: takes nothing, cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        let line = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
        assert!(line.split_whitespace().skip(1).all(|id| id != "0"), "{line}");
        let environment = std::fs::read(format!("/proc/{}/environ", warehouse.pid())).unwrap();
        assert!(!String::from_utf8_lossy(&environment).contains("do-not-leak"));
        let capabilities = status.lines().find(|line| line.starts_with("CapEff")).unwrap();
        assert!(capabilities.ends_with("0000000000000000"), "{capabilities}");
    }
    // The confined engine still does its own work.
    client.insert_row_binary("market.t", None, rows(0..1000), &none).await.unwrap();
    client.execute("OPTIMIZE TABLE market.t FINAL", &none).await.unwrap();
    assert_eq!(count(&client).await, 1000);
    let said = Command::new("cat").arg(warehouse.setup.data.join("warehouse.lock")).output().unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).starts_with(&warehouse.pid().to_string()));
}
