//! Request targets: path and query of a URL.

/// Path and query of a request, without the `/<venue>` prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// Begins with `/`, does not end with one.
    pub path: String,
    /// Decoded parameters in the order given.
    pub query: Vec<(String, String)>,
}

impl Target {
    /// From a path and the raw text behind the question mark.
    pub fn new(path: &str, query: Option<&str>) -> Self {
        let path = format!("/{}", path.trim_matches('/'));
        let query = query.unwrap_or_default();
        let query = query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                (decode(name), decode(value))
            })
            .collect();
        Self { path, query }
    }

    /// From a whole URL as a recorder wrote it, with or without a scheme; the host is dropped.
    pub fn from_url(url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let start = rest.find(['/', '?']).unwrap_or(rest.len());
        let rest = &rest[start..];
        match rest.split_once('?') {
            Some((path, query)) => Self::new(path, Some(query)),
            None => Self::new(rest, None),
        }
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The path's last segment.
    pub fn last_segment(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The instrument the request names, in any of the venues' spellings.
    pub fn symbol(&self) -> Option<&str> {
        ["symbol", "currency_pair", "contract", "instId", "pair"].into_iter().find_map(|name| self.get(name))
    }
}

/// Undoes percent-encoding. What is not valid encoding stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = (bytes[index] == b'%')
            .then(|| text.get(index + 1..index + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[index], hex) {
            (_, Some(byte)) => {
                decoded.push(byte);
                index += 3;
                continue;
            }
            (b'+', None) => decoded.push(b' '),
            (byte, None) => decoded.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_urls_as_recorded_and_as_requested() {
        let recorded = Target::from_url("https://api.bybit.com/v5/market/instruments-info?&category=spot&limit=1000");
        assert_eq!(recorded.path, "/v5/market/instruments-info");
        assert_eq!(recorded.get("category"), Some("spot"));
        assert_eq!(recorded.query.len(), 2);
        assert_eq!(Target::from_url("wss://ws.kraken.com").path, "/");
        let asked = Target::new("stream/", Some("streams=btcusdt%40trade%2Fethusdt%40trade&x"));
        assert_eq!(asked.path, "/stream");
        assert_eq!(asked.get("streams"), Some("btcusdt@trade/ethusdt@trade"));
        assert_eq!(asked.get("x"), Some(""));
    }
}
