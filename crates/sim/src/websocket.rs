//! WebSocket framing on the server's side (RFC 6455).
//!
//! Frames are written by hand because they are made once and sent to many: a recording's
//! frames are laid out in memory as they go over the wire, and a generated batch is shared
//! between clients. Reading, where masking and fragments make it harder, is left to tungstenite.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

/// The longest header a server's frame can have: it is not masked.
pub(crate) const LONGEST_HEADER: usize = 10;

/// Header of an unfragmented, unmasked frame and the number of its bytes that count.
pub(crate) fn header(opcode: Opcode, payload: usize) -> ([u8; LONGEST_HEADER], usize) {
    let mut header = [0; LONGEST_HEADER];
    header[0] = 0x80 | opcode as u8;
    let length = match payload {
        0..=125 => {
            header[1] = payload as u8;
            2
        }
        126..=0xFFFF => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
            10
        }
    };
    (header, length)
}

/// Appends a whole frame.
pub(crate) fn append(buffer: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    let (header, length) = header(opcode, payload.len());
    buffer.extend_from_slice(&header[..length]);
    buffer.extend_from_slice(payload);
}

/// A whole frame on its own.
pub(crate) fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(payload.len() + LONGEST_HEADER);
    append(&mut buffer, opcode, payload);
    buffer
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// The answer that turns the connection into a WebSocket, and the pending connection.
/// An `Err` says why the handshake cannot be accepted.
pub(crate) fn accept(mut request: Request<Body>) -> Result<(Response<Body>, hyper::upgrade::OnUpgrade), &'static str> {
    let headers = request.headers();
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != "13") {
        return Err("only WebSocket version 13 is spoken here");
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return Err("the header Sec-WebSocket-Key is missing");
    };
    let accept = derive_accept_key(key.as_bytes());
    let Ok(accept) = HeaderValue::from_str(&accept) else {
        return Err("the header Sec-WebSocket-Key cannot be answered");
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok((response, upgrade))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_lengths_follow_the_payload() {
        for (payload, expected) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            assert_eq!(header(Opcode::Text, payload).1, expected, "payload of {payload} bytes");
        }
        assert_eq!(frame(Opcode::Pong, &[7; 8])[..2], [0x8A, 8]);
        assert_eq!(header(Opcode::Binary, 300).0[..4], [0x82, 126, 1, 44]);
    }
}
