//! Faults of the REST side on demand: down, slow, too many requests, wrong data.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::faults::{Fault, FaultRequest, Wrong};
use crate::query::Target;

/// The faults that wait for requests of one venue.
#[derive(Default)]
pub(crate) struct RestFaults(Mutex<Vec<Waiting>>, Mutex<Option<Instant>>);

struct Waiting {
    symbol: Option<String>,
    path: Option<String>,
    left: u64,
    effect: Effect,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is refused as by a broken gateway.
    Down,
    /// It is answered late.
    Slow(Duration),
    /// It is one too many; for so many seconds.
    Limit(u64),
    /// It is answered wrongly.
    Wrong(Wrong),
}

impl RestFaults {
    /// Takes a fault of the REST side; answers how many requests it waits for. `None`: it is none.
    pub fn add(&self, request: &FaultRequest) -> Option<u64> {
        let (left, path, effect) = match &request.fault {
            Fault::RestDown { requests, path } => (*requests, path, Effect::Down),
            Fault::RestSlow { requests, path, ms } => (*requests, path, Effect::Slow(Duration::from_millis(*ms))),
            Fault::RestLimit { requests, path, retry_after_s } => (*requests, path, Effect::Limit(*retry_after_s)),
            Fault::RestWrong { requests, path, how } => (*requests, path, Effect::Wrong(*how)),
            _ => return None,
        };
        let waiting = Waiting { symbol: request.symbol.clone(), path: path.clone(), left, effect };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
        Some(left)
    }

    /// Until when nobody can connect.
    pub fn close_for(&self, time: Duration) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
    }

    /// Whether nobody can connect now.
    pub fn is_closed(&self) -> bool {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    /// What shall become of this request; used up with it.
    pub fn take(&self, target: &Target) -> Option<Effect> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_symbol = |fault: &Waiting| fault.symbol.as_deref().is_none_or(|symbol| target.symbol() == Some(symbol));
        let of_path = |fault: &Waiting| fault.path.as_deref().is_none_or(|path| target.path.contains(path));
        let found = waiting.iter_mut().find(|fault| fault.left > 0 && of_symbol(fault) && of_path(fault))?;
        found.left -= 1;
        let effect = found.effect;
        waiting.retain(|fault| fault.left > 0);
        Some(effect)
    }
}

/// The body with something wrong in it; as it was where it holds no list of at least three rows.
pub(crate) fn spoiled(body: &[u8], how: Wrong) -> Vec<u8> {
    if how == Wrong::Cut {
        return body[..body.len() / 2].to_vec();
    }
    let Ok(Value::Array(mut rows)) = serde_json::from_slice(body) else { return body.to_vec() };
    if rows.len() < 3 {
        return body.to_vec();
    }
    let middle = rows.len() / 2;
    match how {
        Wrong::Skip => {
            rows.remove(middle);
        }
        Wrong::Price => rows.iter_mut().for_each(raise_price),
        Wrong::Short => rows.truncate(middle),
        Wrong::Cut => {}
    }
    Value::Array(rows).to_string().into_bytes()
}

/// Puts a 9 before the price: another number, as well formed.
fn raise_price(row: &mut Value) {
    let price = match row {
        Value::Object(fields) => fields.get_mut("p"),
        Value::Array(values) => values.get_mut(4),
        _ => None,
    };
    if let Some(Value::String(text)) = price {
        text.insert(0, '9');
    }
}
