//! Names of subjects: fixed token counts, no dot inside a token.

use crate::schema::Kind;

/// Version of the subject tree and wire format; raised only by a breaking change.
pub const VERSION: &str = "v1";

/// Appends `text` as one token: `.`, `*`, `>`, spaces and control bytes become `_`; empty is `_`.
pub fn push_token(text: &str, out: &mut String) {
    if text.is_empty() {
        out.push('_');
    }
    out.extend(text.chars().map(|character| match character {
        '.' | '*' | '>' | ' ' => '_',
        other if other.is_control() => '_',
        other => other,
    }));
}

/// Hot path: `md.v1.<kind>.<venue>.<instrument>`, one event a message.
#[must_use]
pub fn hot(kind: Kind, venue: &str, instrument: &str) -> String {
    let mut out = format!("md.{VERSION}.{kind}.");
    push_token(venue, &mut out);
    out.push('.');
    push_token(instrument, &mut out);
    out
}

/// Hot path of a signal: `sig.v1.<signal name>.<venue>.<instrument>`, one row a message.
#[must_use]
pub fn signal(name: &str, venue: &str, instrument: &str) -> String {
    let mut out = format!("sig.{VERSION}.");
    push_token(name, &mut out);
    out.push('.');
    push_token(venue, &mut out);
    out.push('.');
    push_token(instrument, &mut out);
    out
}

/// Hot path of an order's step: `ord.v1.<step>.<venue>.<instrument>`, one row a message.
#[must_use]
pub fn order(step: &str, venue: &str, instrument: &str) -> String {
    let mut out = format!("ord.{VERSION}.");
    push_token(step, &mut out);
    out.push('.');
    push_token(venue, &mut out);
    out.push('.');
    push_token(instrument, &mut out);
    out
}

/// Durable log: `log.v1.<kind>.<venue>.<writer>`, one block a message.
#[must_use]
pub fn log(kind: Kind, venue: &str, writer: &str) -> String {
    let mut out = format!("log.{VERSION}.{kind}.");
    push_token(venue, &mut out);
    out.push('.');
    push_token(writer, &mut out);
    out
}

/// Operations: `ops.v1.<topic>.<service>`.
#[must_use]
pub fn operations(topic: &str, service: &str) -> String {
    let mut out = format!("ops.{VERSION}.");
    push_token(topic, &mut out);
    out.push('.');
    push_token(service, &mut out);
    out
}
