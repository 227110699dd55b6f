//! The clients of the generated market: what they subscribe to and how they say so.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Side;
use super::market::Market;
use crate::client::{Chunk, Client, Content};
use crate::websocket::{Opcode, append};

/// All clients of both venues.
#[derive(Default)]
pub(super) struct Subscribers(Vec<Subscriber>);

/// One client.
struct Subscriber {
    client: Client,
    side: Side,
    /// `{"stream":…,"data":…}` around each event, as under `/stream`.
    combined: bool,
    /// Streams in the order of subscription, and the same by number.
    streams: Vec<u32>,
    takes: Vec<bool>,
}

/// What a client's message asks for.
enum Asked {
    Subscribe(Vec<String>, Value),
    Unsubscribe(Vec<String>, Value),
    List(Value),
    SetProperty(Option<bool>, Value),
    GetProperty(Value),
    /// Not understood; the answer.
    Refused(String),
}

impl Subscribers {
    /// A new client, with the streams its URL names: `/stream?streams=a/b` or `/ws/a/b`.
    pub fn attach(&mut self, client: Client, side: Side, market: &mut Market) {
        let combined = client.target.path.split('/').any(|segment| segment == "stream");
        let listed = client.target.get("streams");
        let listed = listed.or_else(|| client.target.path.split_once("/ws/").map(|(_, names)| names));
        let names = listed.unwrap_or_default().split('/').filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        let takes = vec![false; market.streams.all.len()];
        let mut subscriber = Subscriber { client, side, combined, streams: Vec::new(), takes };
        subscriber.subscribe(&names, market);
        self.0.push(subscriber);
    }

    pub fn detach(&mut self, client: u64, market: &mut Market) {
        for gone in self.0.extract_if(.., |subscriber| subscriber.client.id == client) {
            gone.streams.iter().for_each(|number| market.unwant(*number));
        }
    }

    /// Hears a client's message and answers it.
    pub fn hear(&mut self, client: u64, text: &str, market: &mut Market) {
        let mut subscribers = self.0.iter_mut();
        let Some(subscriber) = subscribers.find(|subscriber| subscriber.client.id == client) else { return };
        let reply = subscriber.reply(understand(text), market);
        if !subscriber.client.answer(&reply) {
            tracing::warn!(client, "an answer could not be queued: the client is gone or too slow");
        }
    }

    /// Whether nobody has subscribed to anything.
    pub fn are_silent(&self) -> bool {
        self.0.iter().all(|subscriber| subscriber.streams.is_empty())
    }

    /// Whether somebody can take no more for now.
    pub fn are_behind(&self) -> bool {
        self.0.iter().any(|subscriber| subscriber.client.is_full())
    }

    /// Waits until everybody can take more.
    pub async fn room(&self) {
        for subscriber in &self.0 {
            subscriber.client.room().await;
        }
    }

    /// Hands out the last step's frames; cuts off whoever is too slow, as the venues do.
    pub fn hand_out(&self, market: &Market) {
        for subscriber in &self.0 {
            let (bytes, frames) = subscriber.select(market);
            if frames == 0 {
                continue;
            }
            let chunk = Chunk { bytes, content: Content::Data { frames, connections: Vec::new() } };
            if !subscriber.client.send(chunk) && subscriber.client.is_full() {
                let (client, status) = (&subscriber.client, &subscriber.client.status);
                tracing::warn!(venue = %status.venue, client = client.id, "a client is too slow for the market and is cut off");
                status.metrics.slow_clients.inc();
                client.cut();
            }
        }
    }

    /// Sends bytes that are no market data to a venue's clients; answers to how many.
    pub fn broadcast(&self, side: Side, bytes: &Bytes) -> u64 {
        let send = |client: &&Client| client.send(Chunk { bytes: bytes.clone(), content: Content::Answer });
        self.of(side).filter(send).count() as u64
    }

    /// Cuts a venue's connections; answers how many.
    pub fn cut(&self, side: Side) -> u64 {
        self.of(side).inspect(|client| client.cut()).count() as u64
    }

    fn of(&self, side: Side) -> impl Iterator<Item = &Client> {
        self.0.iter().filter(move |subscriber| subscriber.side == side).map(|subscriber| &subscriber.client)
    }
}

impl Subscriber {
    /// The frames of the last step that the client takes, in the form it takes them.
    fn select(&self, market: &Market) -> (Bytes, u32) {
        let batch = &market.batch;
        let (mut bytes, mut frames) = (Vec::new(), 0);
        for frame in batch.frames.iter().filter(|frame| self.takes[frame.stream as usize]) {
            frames += 1;
            match self.combined {
                true => bytes.extend_from_slice(batch.combined(frame)),
                false => append(&mut bytes, Opcode::Text, batch.payload(frame)),
            }
        }
        (bytes.into(), frames)
    }

    fn subscribe(&mut self, names: &[String], market: &mut Market) {
        for name in names {
            match market.streams.find(self.side, name) {
                // As at the venue: an unknown stream is accepted and never sends anything.
                None => {
                    let status = &self.client.status;
                    status.metrics.unknown_streams.inc();
                    tracing::warn!(venue = %status.venue, stream = %name, "a client subscribes to a stream that does not exist");
                }
                Some(number) if !self.takes[number as usize] => {
                    self.takes[number as usize] = true;
                    self.streams.push(number);
                    market.want(number);
                }
                Some(_) => {}
            }
        }
    }

    fn unsubscribe(&mut self, names: &[String], market: &mut Market) {
        for name in names {
            let Some(number) = market.streams.find(self.side, name) else { continue };
            if std::mem::take(&mut self.takes[number as usize]) {
                self.streams.retain(|known| *known != number);
                market.unwant(number);
            }
        }
    }

    fn reply(&mut self, asked: Asked, market: &mut Market) -> String {
        let (result, id) = match asked {
            Asked::Subscribe(names, id) => {
                self.subscribe(&names, market);
                (Value::Null, id)
            }
            Asked::Unsubscribe(names, id) => {
                self.unsubscribe(&names, market);
                (Value::Null, id)
            }
            Asked::List(id) => {
                let names = self.streams.iter().map(|number| market.streams.all[*number as usize].name.as_str());
                (names.collect(), id)
            }
            Asked::SetProperty(combined, id) => {
                self.combined = combined.unwrap_or(self.combined);
                (Value::Null, id)
            }
            Asked::GetProperty(id) => (self.combined.into(), id),
            Asked::Refused(reply) => return reply,
        };
        json!({"result": result, "id": id}).to_string()
    }
}

/// Understands a message as the venue documents them.
fn understand(text: &str) -> Asked {
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
