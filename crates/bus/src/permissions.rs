//! Who may publish and subscribe what: one user for each service, each with what it needs and no more.
//!
//! Replies come to an inbox of the user's own (`_INBOX.<user>.>`), so that nobody reads another's answers.

use serde_json::{Value, json};

/// Streams behind the key-value buckets.
const LANDED: &str = "KV_LANDED";
const ACCEPTED: &str = "KV_ACCEPTED";
const LEASES: &str = "KV_LEASES";

/// Users of the platform's account, named after their services.
pub const USERS: [&str; 8] =
    ["kt-feed", "kt-load", "kt-console", "kt-signals", "kt-trade", "kt-backfill", "kt-service", "kt-operator"];

/// The user of whoever has none of its own: may listen, and say how it is.
pub const SERVICE: &str = "kt-service";

/// The user of a person's commands: everything within the platform's account.
pub const OPERATOR: &str = "kt-operator";

/// Beginning of a user's inboxes.
#[must_use]
pub fn inbox(user: &str) -> String {
    format!("_INBOX.{user}")
}

/// What a user may do, as the server's configuration words it.
pub(crate) fn permissions(user: &str) -> Value {
    let replies = format!("{}.>", inbox(user));
    let (publish, mut subscribe) = match user {
        "kt-feed" => (writer(&["md.v1.>", "log.v1.>"]), vec!["ops.v1.>"]),
        "kt-load" => (loader(), vec!["ops.v1.>"]),
        // Shows and changes nothing, not even a bucket; its audit compares what writers have accepted.
        "kt-console" => (audited(), vec!["md.v1.>", "sig.v1.>", "ord.v1.>", "ops.v1.>"]),
        "kt-signals" => (writer(&["sig.v1.>", "log.v1.signal.>"]), vec!["md.v1.>", "ops.v1.>"]),
        "kt-trade" => (writer(&["ord.v1.>", "log.v1.order.>"]), vec!["md.v1.>", "sig.v1.>", "ops.v1.>"]),
        // Writes what was missed into the log as any writer does, never onto the hot path.
        "kt-backfill" => (writer(&["log.v1.>"]), vec!["ops.v1.>"]),
        OPERATOR => (vec![">".to_owned()], vec![">"]),
        _ => (words(&["ops.v1.>"]), vec!["md.v1.>", "sig.v1.>", "ord.v1.>", "ops.v1.>"]),
    };
    subscribe.push(&replies);
    let publish = if publish.is_empty() { json!({"deny": [">"]}) } else { json!({"allow": publish}) };
    // An answer goes to the inbox that the question named, once and soon.
    json!({"publish": publish, "subscribe": {"allow": subscribe}, "allow_responses": {"max": 1, "expires": "1m"}})
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Opening a bucket, and making it where it is not.
fn bucket(stream: &str) -> Vec<String> {
    ["STREAM.CREATE", "STREAM.INFO"].map(|call| format!("$JS.API.{call}.{stream}")).to_vec()
}

/// Reading and following a bucket.
fn reads(stream: &str) -> Vec<String> {
    let calls = ["DIRECT.GET", "STREAM.MSG.GET", "CONSUMER.CREATE", "CONSUMER.INFO", "CONSUMER.DELETE"];
    calls.iter().flat_map(|call| [format!("$JS.API.{call}.{stream}"), format!("$JS.API.{call}.{stream}.>")]).collect()
}

/// What an audit reads.
fn audited() -> Vec<String> {
    let mut allowed = words(&["$JS.API.INFO", "$JS.API.STREAM.INFO.LOG", "$JS.FC.>"]);
    allowed.push(format!("$JS.API.STREAM.INFO.{ACCEPTED}"));
    allowed.extend(reads(ACCEPTED));
    allowed
}

/// The log itself: making it, adapting its limits, looking at its state.
fn log() -> Vec<String> {
    ["CREATE", "UPDATE", "INFO"].map(|call| format!("$JS.API.STREAM.{call}.LOG")).to_vec()
}

/// A writer of blocks: its subjects, its last blocks, what has landed, what it has accepted.
fn writer(subjects: &[&str]) -> Vec<String> {
    let mut allowed = words(subjects);
    allowed.extend(words(&[
        "$JS.API.INFO",
        "$JS.API.DIRECT.GET.LOG",
        "$JS.API.DIRECT.GET.LOG.>",
        "$KV.ACCEPTED.>",
        "$JS.FC.>",
    ]));
    allowed.extend(log());
    for stream in [LANDED, ACCEPTED] {
        allowed.extend(bucket(stream));
        allowed.extend(reads(stream));
    }
    allowed
}

/// The loader: reads the log, keeps the watermark and its lease, asks writers for blocks again.
fn loader() -> Vec<String> {
    let mut allowed = words(&["$JS.API.INFO", "$JS.ACK.LOG.>", "$KV.LANDED.>", "$KV.LEASES.>", "ops.v1.>", "$JS.FC.>"]);
    allowed.extend(log());
    let calls = ["CREATE", "DURABLE.CREATE", "DELETE", "INFO", "MSG.NEXT"];
    allowed.extend(calls.map(|call| format!("$JS.API.CONSUMER.{call}.LOG.>")));
    allowed.push("$JS.API.CONSUMER.CREATE.LOG".to_owned());
    for stream in [LANDED, ACCEPTED, LEASES] {
        allowed.extend(bucket(stream));
        allowed.extend(reads(stream));
    }
    allowed
}
