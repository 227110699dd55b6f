//! What a platform shows: every metric that it serves is described and the other way round; alerts reach a webhook; the
//! page's demonstration ends a service and the audit comes out whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Platform, get, run, wait_for};

/// Services with their default ports, as docs/metrics.md names them.
const SERVICES: [(&str, u16); 9] = [
    ("warehouse", 8123),
    ("console", 8080),
    ("sim", 9100),
    ("feed", 9201),
    ("load", 9202),
    ("signals", 9203),
    ("trade", 9204),
    ("alerts", 9205),
    ("s3", 9209),
];

/// A rule that holds as soon as anything is connected.
const RULES: &str = "groups:\n- name: test\n  rules:\n  - alert: Connected\n    expr: max by (venue) (kt_feed_connections) >= 1\n    \
    labels: {severity: info}\n    annotations: {summary: '{{ $labels.venue }} is connected'}\n";

#[test]
fn a_platform_shows_itself() {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let webhook = listen(Arc::clone(&heard));
    let rules = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(rules.path(), RULES).expect("rules");
    let mut platform = Platform::new(&[
        "sim.rate=200",
        "console.demonstration=true",
        "alerts.interval_s=1",
        &format!("alerts.rules={}", rules.path().display()),
        &format!("alerts.webhooks=[\"http://{webhook}/hook\"]"),
    ]);
    let page = platform.up();
    metrics_are_those_described(&platform);
    alerts_arrive(&platform, &heard);
    nothing_is_lost_by_the_demonstration(&page);
    assert_eq!(platform.terminate(), 0);
}

/// Metric → whether it has labels, for each service of docs/metrics.md.
fn described() -> BTreeMap<String, BTreeMap<String, bool>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let text = std::fs::read_to_string(path).expect("docs/metrics.md is there");
    let mut services: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
    let mut service = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## `") {
            service = heading.split('`').next().unwrap_or_default().to_owned();
        } else if line.starts_with("| `kt_") {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            services
                .entry(service.clone())
                .or_default()
                .insert(cells[1].trim_matches('`').to_owned(), !cells[3].is_empty());
        }
    }
    services
}

fn metrics_are_those_described(platform: &Platform) {
    let described = described();
    for (service, port) in SERVICES {
        let (status, text) = get(&format!("127.0.0.1:{}", port + platform.offset), "/metrics");
        assert_eq!(status, 200, "{service}");
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let served: BTreeSet<&str> = names.filter(|name| name.starts_with("kt_")).collect();
        let told = &described[service];
        for name in &served {
            assert!(told.contains_key(*name), "{service} serves {name}, which docs/metrics.md does not describe");
        }
        // A metric with labels appears with its first event; one without is always there.
        for (name, _) in told.iter().filter(|(_, labelled)| !**labelled) {
            assert!(served.contains(name.as_str()), "docs/metrics.md describes {name}, which {service} does not serve");
        }
    }
}

fn alerts_arrive(platform: &Platform, heard: &Mutex<Vec<String>>) {
    let told = wait_for("a notice at the webhook", Duration::from_secs(60), || {
        heard.lock().expect("no panic").first().cloned()
    });
    let body: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
    assert_eq!((body["version"].as_str(), body["status"].as_str()), (Some("4"), Some("firing")), "{body}");
    assert_eq!(body["commonLabels"]["alertname"], "Connected");
    let sql = "SELECT count() FROM ops.alerts WHERE name = 'Connected' AND stage = 'firing'";
    wait_for("the alert in the warehouse", Duration::from_secs(30), || {
        let (_, out, _) = run(&mut platform.kt(&["query", sql, "--format", "TSV"]));
        out.trim().parse::<u64>().ok().filter(|count| *count > 0)
    });
}

fn nothing_is_lost_by_the_demonstration(page: &str) {
    let offer = |page: &str| -> Value { serde_json::from_str(&get(page, "/api/v1/demonstration").1).expect("JSON") };
    let token = offer(page)["token"].as_str().expect("a token").to_owned();
    let order = json!({"token": token, "service": "load", "confirm": "load"}).to_string();
    let host = page.trim_start_matches("http://").trim_end_matches('/');
    let request = format!(
        "POST /api/v1/demonstration HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{order}",
        order.len()
    );
    let address: SocketAddr = host.parse().expect("an address");
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.write_all(request.as_bytes()).expect("sends");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let done = wait_for("the demonstration to end", Duration::from_secs(150), || {
        let state = offer(page)["state"].clone();
        matches!(state["phase"].as_str(), Some("done" | "failed")).then_some(state)
    });
    assert_eq!(
        (done["phase"].as_str(), done["lost"].as_u64(), done["duplicated"].as_u64()),
        (Some("done"), Some(0), Some(0)),
        "{done}"
    );
    // That it was stopped is told for as long as the platform runs.
    let told: Value = serde_json::from_str(&get(page, "/api/v1/platform").1).expect("JSON");
    let load = told["services"].as_array().expect("services").iter().find(|service| service["name"] == "load");
    assert_eq!(load.map(|service| service["restarts"].as_u64()), Some(Some(1)), "{told}");
}

/// Takes notices and keeps their bodies.
fn listen(heard: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some(body) = receive(stream) else { continue };
            heard.lock().expect("no panic").push(body);
        }
    });
    address
}

/// One request's body, answered with 200.
fn receive(mut stream: TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut text = String::new();
    let mut buffer = [0_u8; 4096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length.is_none_or(|length: usize| body.len() >= length) {
                let body = body.to_owned();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
                return Some(body);
            }
        }
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
}
