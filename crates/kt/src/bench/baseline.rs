//! A known parser on the frames of one channel: `serde_json` into a borrowed struct, numbers left as text.
//! It checks no book and makes no event, so it is a lower bound of what decoding such a frame costs.

use serde::Deserialize;

/// The combined stream's envelope.
#[derive(Deserialize)]
struct Envelope<'a, T> {
    #[serde(rename = "stream", borrow)]
    _stream: &'a str,
    data: T,
}

/// `depthUpdate` of Binance USD-M futures.
#[derive(Deserialize)]
struct Depth<'a> {
    #[serde(rename = "E")]
    _event_time: u64,
    #[serde(rename = "T")]
    _transaction_time: u64,
    #[serde(rename = "s", borrow)]
    _symbol: &'a str,
    #[serde(rename = "U")]
    _first: u64,
    #[serde(rename = "u")]
    last: u64,
    #[serde(rename = "pu")]
    _previous: u64,
    #[serde(rename = "b", borrow)]
    bids: Vec<[&'a str; 2]>,
    #[serde(rename = "a", borrow)]
    asks: Vec<[&'a str; 2]>,
}

/// `bookTicker` of Binance USD-M futures.
#[derive(Deserialize)]
struct Ticker<'a> {
    #[serde(rename = "u")]
    update: u64,
    #[serde(rename = "s", borrow)]
    _symbol: &'a str,
    #[serde(rename = "b", borrow)]
    _bid: &'a str,
    #[serde(rename = "B", borrow)]
    _bid_quantity: &'a str,
    #[serde(rename = "a", borrow)]
    _ask: &'a str,
    #[serde(rename = "A", borrow)]
    _ask_quantity: &'a str,
    #[serde(rename = "T")]
    _transaction_time: u64,
    #[serde(rename = "E")]
    _event_time: u64,
}

/// `trade` of Binance USD-M futures.
#[derive(Deserialize)]
struct Trade<'a> {
    #[serde(rename = "E")]
    _event_time: u64,
    #[serde(rename = "T")]
    _trade_time: u64,
    #[serde(rename = "s", borrow)]
    _symbol: &'a str,
    #[serde(rename = "t")]
    id: u64,
    #[serde(rename = "p", borrow)]
    _price: &'a str,
    #[serde(rename = "q", borrow)]
    _quantity: &'a str,
    #[serde(rename = "m")]
    _buyer_is_maker: bool,
}

/// A channel that the baseline reads.
#[derive(Clone, Copy)]
pub(super) enum Channel {
    Depth,
    Ticker,
    Trade,
}

impl Channel {
    pub(super) const ALL: [Self; 3] = [Self::Depth, Self::Ticker, Self::Trade];

    /// As the stream's name has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::Ticker => "bookTicker",
            Self::Trade => "trade",
        }
    }

    /// Whether a frame is of this channel.
    pub(super) fn is_of(self, frame: &[u8]) -> bool {
        let beginning = &frame[..frame.len().min(80)];
        let wanted = format!("@{}", self.name());
        beginning.windows(wanted.len()).any(|part| part == wanted.as_bytes())
    }

    /// Parses a frame; something of it, so that nothing is optimised away.
    pub(super) fn parse(self, frame: &[u8]) -> Option<u64> {
        match self {
            Self::Depth => {
                let parsed: Envelope<'_, Depth<'_>> = serde_json::from_slice(frame).ok()?;
                Some(parsed.data.last + (parsed.data.bids.len() + parsed.data.asks.len()) as u64)
            }
            Self::Ticker => {
                let parsed: Envelope<'_, Ticker<'_>> = serde_json::from_slice(frame).ok()?;
                Some(parsed.data.update)
            }
            Self::Trade => {
                let parsed: Envelope<'_, Trade<'_>> = serde_json::from_slice(frame).ok()?;
                Some(parsed.data.id)
            }
        }
    }
}
