//! Cutting what a NATS server sends into operations (NATS documentation, "Client Protocol").

use bytes::{Bytes, BytesMut};

/// No line of the protocol is longer; the server's own limit is 4 KiB, and `INFO` may list a cluster.
const LONGEST_LINE: usize = 64 << 10;
/// No message is larger: the server's largest setting.
const LARGEST_MESSAGE: usize = 64 << 20;

/// One operation of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// `HMSG` or `MSG`.
    Message {
        /// The header block, empty where there is none.
        headers: Bytes,
        /// The body.
        payload: Bytes,
    },
    /// `PING`, to be answered with `PONG`.
    Ping,
    /// `PONG`.
    Pong,
    /// `-ERR` with its reason.
    Error(String),
    /// `INFO`, `+OK`.
    Other,
}

/// Takes the next whole operation out of the buffer; `None` while it is not complete.
///
/// # Errors
/// What cannot be the protocol; the connection is of no use any more.
pub(crate) fn next_operation(buffer: &mut BytesMut) -> Result<Option<Received>, String> {
    let searched = &buffer[..buffer.len().min(LONGEST_LINE)];
    let Some(end) = line_end(searched) else {
        let too_long = buffer.len() >= LONGEST_LINE;
        return if too_long { Err("a line without end".to_owned()) } else { Ok(None) };
    };
    let line = &buffer[..end];
    let (verb, rest) = line.split_at(line.iter().position(|byte| *byte == b' ').unwrap_or(end));
    let operation = match verb {
        b"HMSG" => return message(buffer, end, 2),
        b"MSG" => return message(buffer, end, 1),
        b"PING" => Received::Ping,
        b"PONG" => Received::Pong,
        b"-ERR" => Received::Error(String::from_utf8_lossy(rest.trim_ascii()).into_owned()),
        b"INFO" | b"+OK" => Received::Other,
        _ => return Err(format!("unknown operation {:?}", String::from_utf8_lossy(&line[..line.len().min(40)]))),
    };
    let _ = buffer.split_to(end + 2);
    Ok(Some(operation))
}

/// Position of the line's end.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'\r') {
        match bytes.get(from + at + 1) {
            Some(b'\n') => return Some(from + at),
            Some(_) => from += at + 1,
            None => return None,
        }
    }
    None
}

/// A message whose line ends at `end` and whose last `sizes` words are sizes.
fn message(buffer: &mut BytesMut, end: usize, sizes: usize) -> Result<Option<Received>, String> {
    let line = &buffer[..end];
    let mut words = line.rsplit(|byte| *byte == b' ');
    let total = words.next().and_then(number);
    let headers = if sizes == 2 { words.next().and_then(number) } else { Some(0) };
    let (Some(total), Some(headers)) = (total, headers) else {
        return Err(format!("a message line without sizes: {:?}", String::from_utf8_lossy(line)));
    };
    if total > LARGEST_MESSAGE || headers > total {
        return Err(format!("a message of {total} bytes with {headers} of headers"));
    }
    let start = end + 2;
    if buffer.len() < start + total + 2 {
        return Ok(None);
    }
    if &buffer[start + total..start + total + 2] != b"\r\n" {
        return Err("a message that does not end where its size says".to_owned());
    }
    let whole = buffer.split_to(start + total + 2).freeze();
    Ok(Some(Received::Message {
        headers: whole.slice(start..start + headers),
        payload: whole.slice(start + headers..start + total),
    }))
}

fn number(word: &[u8]) -> Option<usize> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn operation() -> impl Strategy<Value = (Vec<u8>, Received)> {
        let message = (prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(any::<u8>(), 0..200));
        let message = message.prop_map(|(headers, payload)| {
            let sent = format!("HMSG md.v1.trade.x.y 1 {} {}\r\n", headers.len(), headers.len() + payload.len());
            let bytes = [sent.as_bytes(), &headers, &payload, b"\r\n"].concat();
            (bytes, Received::Message { headers: headers.into(), payload: payload.into() })
        });
        let plain = prop::collection::vec(any::<u8>(), 0..200).prop_map(|payload| {
            let bytes = [format!("MSG a.b 1 reply.to {}\r\n", payload.len()).as_bytes(), &payload, b"\r\n"].concat();
            (bytes, Received::Message { headers: Bytes::new(), payload: payload.into() })
        });
        prop_oneof![
            message,
            plain,
            Just((b"PING\r\n".to_vec(), Received::Ping)),
            Just((b"PONG\r\n".to_vec(), Received::Pong)),
            Just((b"-ERR 'Slow Consumer'\r\n".to_vec(), Received::Error("'Slow Consumer'".to_owned()))),
            Just((b"INFO {\"max_payload\":1048576}\r\n".to_vec(), Received::Other)),
        ]
    }

    proptest! {
        #[test]
        fn operations_come_out_as_they_went_in_however_they_are_cut(
            operations in prop::collection::vec(operation(), 0..20),
            cuts in prop::collection::vec(1..90usize, 1..40),
        ) {
            let bytes: Vec<u8> = operations.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            let (mut buffer, mut found, mut rest) = (BytesMut::new(), Vec::new(), bytes.as_slice());
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                buffer.extend_from_slice(piece);
                rest = after;
                while let Some(operation) = next_operation(&mut buffer).expect("the protocol") {
                    found.push(operation);
                }
                if rest.is_empty() {
                    break;
                }
            }
            let sent: Vec<Received> = operations.into_iter().map(|(_, operation)| operation).collect();
            prop_assert_eq!(found, sent);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn arbitrary_bytes_end_in_an_error_or_a_wait(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(bytes.as_slice());
            while let Ok(Some(_)) = next_operation(&mut buffer) {}
        }
    }
}
