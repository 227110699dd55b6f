//! Which channel and symbol a recorded frame belongs to, as far as its text says so in a
//! common way. Used to describe recordings; frames are never altered or left out by it.

/// How far into a frame to look. The names stand at the beginning of a frame.
const REACH: usize = 400;

/// Channel and symbol of a frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Label<'a> {
    pub channel: Option<&'a str>,
    pub symbol: Option<&'a str>,
}

/// Reads the label of a JSON text frame.
pub(crate) fn label(frame: &str) -> Label<'_> {
    let head = head(frame);
    if let Some(stream) = string_after(head, "\"stream\":") {
        let (symbol, channel) = stream.split_once('@').unwrap_or(("", stream));
        return Label {
            channel: Some(channel),
            symbol: string_after(head, "\"s\":").or((!symbol.is_empty()).then_some(symbol)),
        };
    }
    if head.starts_with("{\"arg\"") {
        return Label { channel: string_after(head, "\"channel\":"), symbol: string_after(head, "\"instId\":") };
    }
    if let Some(topic) = string_after(head, "\"topic\":") {
        let parts = topic.rsplit_once(['.', ':']);
        return Label {
            channel: Some(parts.map_or(topic, |(channel, _)| channel)),
            symbol: parts.map(|(_, symbol)| symbol),
        };
    }
    Label {
        channel: first(head, &["\"channel\":", "\"table\":", "\"feed\":", "\"ch\":", "\"e\":", "\"type\":"]),
        symbol: first(head, &["\"symbol\":", "\"product_id\":", "\"instId\":", "\"s\":", "\"code\":"]),
    }
}

/// Whether the frame answers a subscription of one of the venues whose answers the
/// simulator can also make itself.
pub(crate) fn is_answer(frame: &str) -> bool {
    let head = head(frame);
    head.starts_with("{\"result\":null")
        || head.starts_with("{\"event\":\"subscribe\"")
        || (head.starts_with("{\"success\":") && head.contains("\"op\":\"subscribe\""))
}

fn head(frame: &str) -> &str {
    let mut end = frame.len().min(REACH);
    while !frame.is_char_boundary(end) {
        end -= 1;
    }
    &frame[..end]
}

fn first<'a>(head: &'a str, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| string_after(head, key))
}

/// The string value that follows a key.
pub(crate) fn string_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = &text[text.find(key)? + key.len()..];
    let value = value.trim_start().strip_prefix('"')?;
    Some(&value[..value.find('"')?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_venues_shapes() {
        let of = |frame| {
            let label = label(frame);
            (label.channel.unwrap_or(""), label.symbol.unwrap_or(""))
        };
        assert_eq!(
            of(r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","s":"BTCUSDT"}}"#),
            ("depth@100ms", "BTCUSDT")
        );
        assert_eq!(of(r#"{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update"}"#), ("books", "BTC-USDT"));
        assert_eq!(of(r#"{"topic":"orderbook.200.BTCUSDT","type":"delta"}"#), ("orderbook.200", "BTCUSDT"));
        assert_eq!(of(r#"{"feed":"book","product_id":"PI_XBTUSD"}"#), ("book", "PI_XBTUSD"));
        assert!(is_answer(r#"{"success":true,"ret_msg":"subscribe","op":"subscribe"}"#));
        assert!(!is_answer(r#"{"topic":"tickers.BTCUSDT"}"#));
    }
}
