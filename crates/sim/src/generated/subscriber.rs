//! A client of the generated market: what it has subscribed to and how it says so.

use serde_json::{Value, json};

use super::Side;
use super::streams::Streams;
use crate::client::Client;

/// One client.
pub(super) struct Subscriber {
    pub client: Client,
    pub side: Side,
    /// `{"stream":…,"data":…}` around each event, as under `/stream`.
    pub combined: bool,
    /// Streams in the order of subscription, and the same by number.
    pub streams: Vec<u32>,
    pub takes: Vec<bool>,
}

/// What a client's message asks for.
pub(super) enum Asked {
    Subscribe(Vec<String>, Value),
    Unsubscribe(Vec<String>, Value),
    List(Value),
    SetProperty(Option<bool>, Value),
    GetProperty(Value),
    /// Not understood; the answer.
    Refused(String),
}

impl Subscriber {
    pub fn new(client: Client, side: Side, streams: usize) -> Self {
        let combined = client.target.path.split('/').any(|segment| segment == "stream");
        Self { client, side, combined, streams: Vec::new(), takes: vec![false; streams] }
    }

    /// The streams its URL names: `/stream?streams=a/b` or `/ws/a/b`.
    pub fn named_by_url(&self) -> Vec<String> {
        let target = &self.client.target;
        let listed = target.get("streams").map(str::to_owned);
        let listed = listed.or_else(|| target.path.split_once("/ws/").map(|(_, names)| names.to_owned()));
        let listed = listed.unwrap_or_default();
        listed.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    pub fn names(&self, streams: &Streams) -> Vec<String> {
        self.streams.iter().map(|number| streams.all[*number as usize].name.clone()).collect()
    }
}

/// Understands a message as the venue documents them.
pub(super) fn understand(text: &str) -> Asked {
    let refuse =
        |code: i64, message: String| Asked::Refused(json!({"error": {"code": code, "msg": message}}).to_string());
    let message: Value = match serde_json::from_str(text) {
        Ok(message) => message,
        Err(error) => return refuse(3, format!("Invalid JSON: {error}")),
    };
    let id = message.get("id").cloned().unwrap_or(Value::Null);
    let parameters = message.get("params").and_then(Value::as_array);
    let names = || parameters.map(|names| names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect());
    let missing = || refuse(2, "Invalid request: property 'params' is missing or no array".to_owned());
    match message.get("method").and_then(Value::as_str) {
        Some("SUBSCRIBE") => names().map_or_else(missing, |names| Asked::Subscribe(names, id)),
        Some("UNSUBSCRIBE") => names().map_or_else(missing, |names| Asked::Unsubscribe(names, id)),
        Some("LIST_SUBSCRIPTIONS") => Asked::List(id),
        Some("SET_PROPERTY") => {
            Asked::SetProperty(parameters.and_then(|list| list.get(1)).and_then(Value::as_bool), id)
        }
        Some("GET_PROPERTY") => Asked::GetProperty(id),
        Some(method) => refuse(2, format!("Invalid request: unknown variant {method}")),
        None => refuse(2, "Invalid request: missing field 'method'".to_owned()),
    }
}

/// The answer to a request.
pub(super) fn answer(result: &Value, id: &Value) -> String {
    json!({"result": result, "id": id}).to_string()
}
