//! The demonstration is off unless allowed, and takes orders from its own page only.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};

use crate::http::{ask, client, get};
use crate::stage::Stage;

async fn order(url: &str, origin: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = client().post(format!("{url}/api/v1/demonstration")).json(body);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Without the configuration's word nothing can be ended.
pub async fn is_off_by_default(stage: &Stage) {
    let (_, offer) = ask(&stage.url, "/api/v1/demonstration").await;
    assert!(offer["enabled"] == false && offer["token"].is_null(), "{offer}");
    let (status, body) =
        order(&stage.url, Some(&stage.url), &json!({"token": "", "service": "feed", "confirm": "feed"})).await;
    assert!(status == 403 && body["error"].as_str().unwrap().contains("switched off"), "{status} {body}");
}

/// A supervisor's control socket that writes down what it was asked and knows a service `feed`.
fn supervisor(path: &std::path::Path) -> Arc<Mutex<Vec<Value>>> {
    let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
    let listener = UnixListener::bind(path).expect("a socket");
    let heard = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (reading, mut writing) = stream.into_split();
            let mut line = String::new();
            let _ = BufReader::new(reading).read_line(&mut line).await;
            let request: Value = serde_json::from_str(&line).expect("JSON");
            let killed = heard.lock().expect("no panic").iter().any(|one| one["command"] == "kill");
            let answer = if request["command"] == "status" {
                json!({"answer": "status", "services": [{"service": "feed", "state": "healthy", "restarts": u8::from(killed)}]})
            } else {
                json!({"answer": "done"})
            };
            heard.lock().expect("no panic").push(request);
            let _ = writing.write_all(format!("{answer}\n").as_bytes()).await;
        }
    });
    asked
}

/// A console of its own beside the stage's: foreign pages, used and expired tokens and missing confirmations are
/// refused; the right order ends the service once and the audit follows.
pub async fn takes_orders_from_its_own_page_only(stage: &Stage) {
    let socket = stage.engines.directory.path().join("control.sock");
    let asked = supervisor(&socket);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut config =
        kt_console::ConsoleConfig::local(address.port(), stage.engines.nats_port, stage.engines.warehouse_port);
    config.demonstration = true;
    config.control_socket = Some(socket);
    config.token_lifetime = Duration::from_millis(400);
    let server = tokio::spawn(kt_console::serve_on(listener, config, std::future::pending()));
    let url = format!("http://{address}");
    let token = || async { get(&url, "/api/v1/demonstration").await["token"].as_str().expect("a token").to_owned() };
    let with =
        |token: &str, service: &str, confirm: &str| json!({"token": token, "service": service, "confirm": confirm});

    let first = token().await;
    for origin in [None, Some("http://evil.example"), Some("null")] {
        let (status, body) = order(&url, origin, &with(&first, "feed", "feed")).await;
        assert!(status == 403 && body["error"].as_str().unwrap().contains("not from this page"), "{origin:?}: {body}");
    }
    let own = Some(url.as_str());
    let (status, body) = order(&url, own, &with("guessed", "feed", "feed")).await;
    assert!(status == 403 && body["error"].as_str().unwrap().contains("not one of"), "{status} {body}");
    let late = token().await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (status, body) = order(&url, own, &with(&late, "feed", "feed")).await;
    assert!(status == 403 && body["error"] == "the token has expired", "{status} {body}");
    assert_eq!(order(&url, own, &with(&token().await, "feed", "load")).await.0, 400);
    assert_eq!(order(&url, own, &with(&token().await, "console", "console")).await.0, 400);
    assert_eq!(order(&url, own, &json!({"token": 5})).await.0, 400);
    assert!(asked.lock().unwrap().iter().all(|one| one["command"] == "status"), "nothing was ended so far");

    let good = token().await;
    let (status, body) = order(&url, own, &with(&good, "feed", "feed")).await;
    assert_eq!(status, 200, "{body}");
    let kills = || asked.lock().unwrap().iter().filter(|one| one["command"] == "kill").count();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let state = get(&url, "/api/v1/demonstration").await["state"].clone();
        match state["phase"].as_str() {
            Some("done") => {
                assert_eq!((state["lost"].as_u64(), state["duplicated"].as_u64()), (Some(0), Some(0)), "{state}");
                break;
            }
            Some("recovering" | "auditing") => assert!(std::time::Instant::now() < deadline, "{state}"),
            _ => panic!("{state}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(kills(), 1);
    server.abort();
}
