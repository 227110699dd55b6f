//! An order-book snapshot at the present position of a Binance-like recording, for clients
//! that ask again after the recorded snapshot has gone by.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::label::string_after;
use super::recording::{Recording, Snapshot};

/// Price and quantity as the venue wrote them.
type Level<'a> = (Cow<'a, str>, Cow<'a, str>);

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "lastUpdateId")]
    last_update_id: u64,
    #[serde(borrow)]
    bids: Vec<Level<'a>>,
    #[serde(borrow)]
    asks: Vec<Level<'a>>,
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    data: Update<'a>,
}

#[derive(Deserialize)]
struct Update<'a> {
    #[serde(rename = "E")]
    event_time: Option<u64>,
    #[serde(rename = "T")]
    transaction_time: Option<u64>,
    u: u64,
    #[serde(borrow)]
    b: Vec<Level<'a>>,
    #[serde(borrow)]
    a: Vec<Level<'a>>,
}

/// One side, ordered by price; the text is kept.
type Side<'a> = BTreeMap<i128, Level<'a>>;

/// The recorded snapshot carried forward by all depth updates of its symbol up to `position`.
/// `None` where the recording is not of that shape.
pub(super) fn rebuild(recording: &Recording, snapshot: &Snapshot, position: usize, limit: usize) -> Option<String> {
    let symbol = snapshot.symbol.as_deref()?;
    let body: Body<'_> = serde_json::from_slice(&snapshot.body).ok()?;
    let (mut bids, mut asks) = (Side::new(), Side::new());
    apply(&mut bids, body.bids)?;
    apply(&mut asks, body.asks)?;
    let (mut last, mut times) = (body.last_update_id, None);
    for frame in &recording.frames[..position] {
        let Ok(text) = std::str::from_utf8(recording.payload(frame)) else { continue };
        if !text.get(..200.min(text.len())).unwrap_or_default().contains("\"depthUpdate\"")
            || string_after(text, "\"s\":") != Some(symbol)
        {
            continue;
        }
        let update = match serde_json::from_str::<Wrapped<'_>>(text) {
            Ok(wrapped) => wrapped.data,
            Err(_) => serde_json::from_str::<Update<'_>>(text).ok()?,
        };
        if update.u <= last {
            continue;
        }
        last = update.u;
        times = update.event_time.zip(update.transaction_time);
        apply(&mut bids, update.b)?;
        apply(&mut asks, update.a)?;
    }
    let mut text = format!("{{\"lastUpdateId\":{last}");
    if let Some((event, transaction)) = times {
        text.push_str(&format!(",\"E\":{event},\"T\":{transaction}"));
    }
    push_side(&mut text, "bids", bids.values().rev().take(limit));
    push_side(&mut text, "asks", asks.values().take(limit));
    text.push('}');
    Some(text)
}

fn apply<'a>(side: &mut Side<'a>, levels: Vec<Level<'a>>) -> Option<()> {
    for (price, quantity) in levels {
        let key = scaled(&price)?;
        match scaled(&quantity)? {
            0 => side.remove(&key),
            _ => side.insert(key, (price, quantity)),
        };
    }
    Some(())
}

fn push_side<'a>(text: &mut String, name: &str, levels: impl Iterator<Item = &'a Level<'a>>) {
    let levels: Vec<String> = levels.map(|(price, quantity)| format!("[\"{price}\",\"{quantity}\"]")).collect();
    text.push_str(&format!(",\"{name}\":[{}]", levels.join(",")));
}

/// A decimal text as an integer with 18 decimals, so that it can be ordered.
fn scaled(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let unit = 10i128.checked_pow(18u32.checked_sub(u32::try_from(fraction.len()).ok()?)?)?;
    let digits = format!("{whole}{fraction}").parse::<i128>().ok()?;
    digits.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn decimals_order_by_value() {
        assert_eq!(scaled("61800.20"), scaled("61800.2"));
        assert_eq!(scaled("0.00000000"), Some(0));
        assert!(scaled("9.99") < scaled("10"));
        assert_eq!(scaled("x"), None);
    }
}
