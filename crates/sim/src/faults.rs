//! Faults on demand: what `POST /sim/v1/faults` accepts and how frames pass through them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::status::VenueStatus;

/// Body of `POST /sim/v1/faults`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct FaultRequest {
    /// Venue the fault is for.
    pub venue: String,
    /// Only frames that name this symbol.
    #[serde(default)]
    pub symbol: Option<String>,
    /// Only frames of this stream or channel, or whose stream contains this text.
    #[serde(default)]
    pub stream: Option<String>,
    #[serde(flatten)]
    pub fault: Fault,
}

/// The faults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub(crate) enum Fault {
    /// The next frames are not sent.
    Drop { frames: u64 },
    /// All connections are cut without a closing handshake.
    Disconnect,
    /// As `disconnect`, and for a while nobody can connect.
    Outage { ms: u64 },
    /// A text frame that is no valid message goes to all clients.
    Garbage {
        #[serde(default)]
        text: Option<String>,
    },
    /// Nothing is sent for a while; what has gathered follows late.
    Pause { ms: u64 },
    /// Nothing is sent for a while and what happens meanwhile is lost.
    Stale { ms: u64 },
    /// The next best bid/ask frames go out with bid and ask prices exchanged (Binance formats).
    Crossed {
        #[serde(default = "one")]
        frames: u64,
    },
    /// The next frame goes out behind the one that follows it.
    Reorder,
    /// The next REST requests are refused with status 503.
    RestDown {
        requests: u64,
        /// Only requests whose path contains this text; so for all faults of the REST side.
        #[serde(default)]
        path: Option<String>,
    },
    /// The next REST requests are answered so much later.
    RestSlow {
        requests: u64,
        ms: u64,
        #[serde(default)]
        path: Option<String>,
    },
    /// The next REST requests are refused with status 429 and a pause to keep.
    RestLimit {
        requests: u64,
        retry_after_s: u64,
        #[serde(default)]
        path: Option<String>,
    },
    /// The next REST requests are answered wrongly.
    RestWrong {
        requests: u64,
        how: Wrong,
        #[serde(default)]
        path: Option<String>,
    },
}

/// What is wrong with a list of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wrong {
    /// A row in its midst is missing.
    Skip,
    /// Its prices are others.
    Price,
    /// Its second half is missing, as if nothing had happened then.
    Short,
    /// It breaks off.
    Cut,
}

/// What a garbage frame holds unless the request says otherwise: JSON cut in the middle.
pub(crate) const GARBAGE: &str = r#"{"stream":"garbage","data":{"e":"depthUpdate","E":16e,"#;

fn one() -> u64 {
    1
}

impl Fault {
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Drop { .. } => "drop",
            Fault::Disconnect => "disconnect",
            Fault::Outage { .. } => "outage",
            Fault::Garbage { .. } => "garbage",
            Fault::Pause { .. } => "pause",
            Fault::Stale { .. } => "stale",
            Fault::Crossed { .. } => "crossed",
            Fault::Reorder => "reorder",
            Fault::RestDown { .. } => "rest_down",
            Fault::RestSlow { .. } => "rest_slow",
            Fault::RestLimit { .. } => "rest_limit",
            Fault::RestWrong { .. } => "rest_wrong",
        }
    }
}

/// What becomes of a frame at the gate. `K` is the source's handle to a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passage<K> {
    Send(K),
    Replace(K, Vec<u8>),
    Both(K, K),
    Nothing,
}

/// The faults waiting for frames of one venue.
pub(crate) struct FaultGate<K> {
    status: Arc<VenueStatus>,
    waiting: Vec<Waiting<K>>,
}

struct Waiting<K> {
    name: &'static str,
    symbol: Option<String>,
    stream: Option<String>,
    effect: Effect<K>,
}

enum Effect<K> {
    Drop(u64),
    Cross(u64),
    Silence(Instant),
    Reorder(Option<K>),
}

impl<K> FaultGate<K> {
    pub fn new(status: Arc<VenueStatus>) -> Self {
        Self { status, waiting: Vec::new() }
    }

    /// Whether every frame passes untouched.
    pub fn is_open(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a fault that waits for frames; answers how many it waits for. Faults that need
    /// no frame are the source's own business and answered with `None`.
    pub fn add(&mut self, request: &FaultRequest) -> Option<u64> {
        let (effect, pending) = match request.fault {
            Fault::Drop { frames } => (Effect::Drop(frames), frames),
            Fault::Crossed { frames } => (Effect::Cross(frames), frames),
            Fault::Reorder => (Effect::Reorder(None), 2),
            Fault::Stale { ms } => (Effect::Silence(Instant::now() + Duration::from_millis(ms)), 0),
            _ => return None,
        };
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_ascii_lowercase());
        self.waiting.push(Waiting {
            name: request.fault.name(),
            symbol: lower(&request.symbol),
            stream: lower(&request.stream),
            effect,
        });
        Some(pending)
    }

    /// Passes one frame. `subject` is the text, in lower case, that names its symbol and stream.
    pub fn pass(&mut self, subject: &str, payload: &[u8], key: K) -> Passage<K> {
        let now = Instant::now();
        self.waiting.retain(|fault| !fault.is_over(now));
        let Some(fault) = self.waiting.iter_mut().find(|fault| fault.wants(subject)) else {
            return Passage::Send(key);
        };
        let passage = match &mut fault.effect {
            Effect::Drop(left) => {
                *left -= 1;
                Passage::Nothing
            }
            Effect::Silence(_) => Passage::Nothing,
            Effect::Cross(left) => match crossed(payload) {
                Some(replaced) => {
                    *left -= 1;
                    Passage::Replace(key, replaced)
                }
                None => return Passage::Send(key),
            },
            Effect::Reorder(held) => match held.take() {
                None => {
                    *held = Some(key);
                    return Passage::Nothing;
                }
                Some(first) => {
                    fault.stream = None;
                    fault.symbol = None;
                    fault.effect = Effect::Drop(0);
                    Passage::Both(key, first)
                }
            },
        };
        self.status.metrics.fault(fault.name, 1);
        self.waiting.retain(|fault| !fault.is_over(now));
        passage
    }

    /// Frames still held back, for when no further frame will come.
    pub fn release(&mut self) -> Vec<K> {
        let held = |fault: &mut Waiting<K>| match &mut fault.effect {
            Effect::Reorder(held) => held.take(),
            _ => None,
        };
        self.waiting.iter_mut().filter_map(held).collect()
    }
}

impl<K> Waiting<K> {
    fn wants(&self, subject: &str) -> bool {
        let has = |text: &Option<String>| text.as_ref().is_none_or(|text| subject.contains(text.as_str()));
        has(&self.symbol) && has(&self.stream)
    }

    fn is_over(&self, now: Instant) -> bool {
        match self.effect {
            Effect::Drop(left) | Effect::Cross(left) => left == 0,
            Effect::Silence(until) => now >= until,
            Effect::Reorder(_) => false,
        }
    }
}

/// A Binance best bid/ask payload with its two prices exchanged.
fn crossed(payload: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(payload).ok()?;
    let price = |key: &str| {
        let start = text.find(key)? + key.len();
        Some(start..start + text[start..].find('"')?)
    };
    let (bid, ask) = (price("\"b\":\"")?, price("\"a\":\"")?);
    let (before, between, after) = (&text[..bid.start], text.get(bid.end..ask.start)?, &text[ask.end..]);
    Some([before, &text[ask.clone()], between, &text[bid.clone()], after].concat().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn gate(fault: &str) -> FaultGate<u32> {
        let request: FaultRequest = serde_json::from_str(fault).unwrap();
        let status = VenueStatus::new("binance".into(), "recorded", Metrics::new().venue("binance"), Vec::new(), 0);
        let mut gate = FaultGate::new(Arc::new(status));
        gate.add(&request).unwrap();
        gate
    }

    #[test]
    fn drops_only_what_it_is_for() {
        let mut gate = gate(r#"{"fault":"drop","venue":"binance","symbol":"BTCUSDT","stream":"depth","frames":2}"#);
        assert_eq!(gate.pass("btcusdt@trade", b"", 1), Passage::Send(1));
        assert_eq!(gate.pass("btcusdt@depth@100ms", b"", 2), Passage::Nothing);
        assert_eq!(gate.pass("ethusdt@depth@100ms", b"", 3), Passage::Send(3));
        assert_eq!(gate.pass("btcusdt@depth@100ms", b"", 4), Passage::Nothing);
        assert!(gate.is_open());
    }

    #[test]
    fn swaps_two_neighbours_and_crosses_prices() {
        let mut swap = gate(r#"{"fault":"reorder","venue":"binance","stream":"trade"}"#);
        assert_eq!(swap.pass("a@trade", b"", 1), Passage::Nothing);
        assert_eq!(swap.pass("a@depth", b"", 2), Passage::Send(2));
        assert_eq!(swap.pass("a@trade", b"", 3), Passage::Both(3, 1));
        assert!(swap.is_open());
        let mut cross = gate(r#"{"fault":"crossed","venue":"binance"}"#);
        assert_eq!(cross.pass("a@depth", br#"{"b":[["1","2"]],"a":[]}"#, 1), Passage::Send(1));
        let expected = br#"{"u":1,"b":"9.5","B":"3","a":"9.4","A":"4"}"#.to_vec();
        let sent = br#"{"u":1,"b":"9.4","B":"3","a":"9.5","A":"4"}"#;
        assert_eq!(cross.pass("a@bookticker", sent, 2), Passage::Replace(2, expected));
        assert!(cross.is_open());
    }
}
