//! The venues' answers to what a client says, as far as a recording cannot hold them.

use serde_json::{Value, json};

/// What a client's text message was.
pub(super) struct Heard {
    /// It subscribes to something.
    pub subscribes: bool,
    /// Keep-alive answers, sent whether or not the recording has answers.
    pub pong: Option<String>,
    /// Answers to the subscription, for recordings that lack them.
    pub answers: Vec<String>,
}

/// Whether a connection's URL alone names what it wants.
pub(super) fn subscribed_by_url(target: &crate::query::Target) -> bool {
    target.get("streams").is_some() || target.path.contains("/ws/") && target.path.contains('@')
}

/// Understands a client's message by the venue's dialect; of an unknown venue every message
/// that is no keep-alive counts as a subscription.
pub(super) fn hear(venue: &str, client: u64, text: &str) -> Heard {
    let quiet = |pong: Option<&str>| Heard { subscribes: false, pong: pong.map(str::to_owned), answers: Vec::new() };
    if text == "ping" {
        return quiet(Some("pong"));
    }
    let message: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let word = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
    let keeps_alive = ["op", "method", "event", "type"].iter().any(|name| matches!(word(name), "ping" | "pong"));
    if venue == "bybit" && word("op") == "ping" {
        let pong = json!({"success": true, "ret_msg": "pong", "conn_id": client.to_string(), "op": "ping"});
        return quiet(Some(&pong.to_string()));
    }
    if keeps_alive || message.get("pong").is_some() || message.get("ping").is_some() {
        return quiet(None);
    }
    let answers = match venue {
        "bybit" if word("op") == "subscribe" => vec![bybit_answer(&message, client)],
        "okx" if word("op") == "subscribe" => okx_answers(&message),
        _ if venue.starts_with("binance") && message.get("method").is_some() => {
            vec![json!({"result": null, "id": message.get("id")}).to_string()]
        }
        _ => Vec::new(),
    };
    let unsubscribes = ["op", "method", "event"].iter().any(|name| word(name).to_ascii_lowercase().contains("unsub"));
    Heard { subscribes: !unsubscribes, pong: None, answers }
}

fn bybit_answer(message: &Value, client: u64) -> String {
    let mut answer = json!({"success": true, "ret_msg": "subscribe", "conn_id": client.to_string()});
    if let Some(id) = message.get("req_id") {
        answer["req_id"] = id.clone();
    }
    answer["op"] = "subscribe".into();
    answer.to_string()
}

fn okx_answers(message: &Value) -> Vec<String> {
    let channels = message.get("args").and_then(Value::as_array);
    let answer = |arg: &Value| json!({"event": "subscribe", "arg": arg}).to_string();
    channels.map(|channels| channels.iter().map(answer).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_each_dialect() {
        let binance = hear("binance_usdm", 1, r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":7}"#);
        assert!(binance.subscribes);
        assert_eq!(binance.answers, [r#"{"result":null,"id":7}"#]);
        let okx = hear(
            "okx",
            1,
            r#"{"op":"subscribe","args":[{"channel":"books","instId":"A"},{"channel":"trades","instId":"A"}]}"#,
        );
        assert_eq!(okx.answers[1], r#"{"event":"subscribe","arg":{"channel":"trades","instId":"A"}}"#);
        assert_eq!(hear("okx", 1, "ping").pong.as_deref(), Some("pong"));
        let bybit = hear("bybit", 3, r#"{"op":"ping"}"#);
        assert!(!bybit.subscribes && bybit.pong.is_some());
        assert!(!hear("huobi", 1, r#"{"pong":1492420473027}"#).subscribes);
        assert!(hear("huobi", 1, r#"{"sub":"market.btcusdt.depth.step0","id":1}"#).subscribes);
    }
}
