//! What of a chunk of history landing does not hold yet, and whether the history can be believed.

use std::collections::{BTreeMap, HashMap};

use kt_model::{Nanos, Price, Quantity};
use kt_warehouse::gaps::known::KnownTrade;

/// A trade of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastTrade {
    pub id: String,
    pub event_ts: Nanos,
    pub price: Price,
    pub quantity: Quantity,
    pub side: &'static str,
}

/// For each trade of the history whether landing lacks it.
///
/// `counted`: a known row stands for as many ids as it counts trades and bears the last of them. A known trade between
/// the first and the last of the history must be in it.
pub(crate) fn missing(past: &[PastTrade], known: &[KnownTrade], counted: bool) -> Result<Vec<bool>, String> {
    let mut covered: BTreeMap<u64, u64> = BTreeMap::new();
    let mut by_id: HashMap<(&str, Nanos), &KnownTrade> = HashMap::with_capacity(known.len());
    for trade in known {
        by_id.insert((&trade.id, trade.event_ts), trade);
        if let (true, Ok(last)) = (counted, trade.id.parse::<u64>()) {
            covered.insert(last, last.saturating_sub(u64::from(trade.count.max(1)) - 1));
        }
    }
    let is_covered = |trade: &PastTrade| {
        let id = trade.id.parse::<u64>().ok()?;
        covered.range(id..).next().filter(|(_, first)| **first <= id).map(|_| ())
    };
    let mut missing = Vec::with_capacity(past.len());
    for trade in past {
        match by_id.get(&(&*trade.id, trade.event_ts)) {
            Some(known) if known.count <= 1 || !counted => {
                agree(trade, known)?;
                missing.push(false);
            }
            Some(_) => missing.push(false),
            None => missing.push(is_covered(trade).is_none()),
        }
    }
    nothing_is_left_out(past, known)?;
    Ok(missing)
}

fn agree(past: &PastTrade, known: &KnownTrade) -> Result<(), String> {
    if past.price == known.price && past.quantity == known.quantity && past.side == known.side {
        return Ok(());
    }
    Err(format!(
        "trade {} is {} {} at {} in the history, but {} {} at {} was received",
        past.id, past.side, past.quantity, past.price, known.side, known.quantity, known.price
    ))
}

/// What was received between the first and the last trade of the history must be in it.
fn nothing_is_left_out(past: &[PastTrade], known: &[KnownTrade]) -> Result<(), String> {
    let times = past.iter().map(|trade| trade.event_ts);
    let (Some(first), Some(last)) = (times.clone().min(), times.max()) else { return Ok(()) };
    let there: std::collections::HashSet<(&str, Nanos)> =
        past.iter().map(|trade| (&*trade.id, trade.event_ts)).collect();
    let left_out = known.iter().find(|trade| {
        trade.event_ts > first && trade.event_ts < last && !there.contains(&(&*trade.id, trade.event_ts))
    });
    match left_out {
        Some(trade) => Err(format!("trade {} was received, but the history has none of that id and time", trade.id)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kt_model::Decimal;

    fn past(id: u64, price: i128) -> PastTrade {
        let (price, quantity) = (Decimal(price), Decimal(5));
        PastTrade { id: id.to_string(), event_ts: Nanos(id as i64 * 10), price, quantity, side: "buy" }
    }

    fn known(id: u64, count: u32) -> KnownTrade {
        let PastTrade { id, event_ts, price, quantity, .. } = past(id, 7);
        KnownTrade { id, count, event_ts, price, quantity, side: "buy".to_owned() }
    }

    #[test]
    fn only_what_is_not_there_is_missing() {
        let history: Vec<PastTrade> = (1..=6).map(|id| past(id, 7)).collect();
        assert_eq!(missing(&history, &[], false), Ok(vec![true; 6]));
        let there = [known(1, 1), known(4, 1), known(6, 1)];
        assert_eq!(missing(&history, &there, false), Ok(vec![false, true, true, false, true, false]));
        // A live row of three trades bears the id of the last.
        assert_eq!(missing(&history, &[known(5, 3)], true), Ok(vec![true, true, false, false, false, true]));
        assert_eq!(missing(&[], &[known(5, 1)], false), Ok(Vec::new()));
    }

    #[test]
    fn a_history_that_contradicts_what_was_received_is_not_believed() {
        let mut history: Vec<PastTrade> = (1..=6).map(|id| past(id, 7)).collect();
        history[2].price = Decimal(8);
        assert!(missing(&history, &[known(3, 1)], false).unwrap_err().contains("trade 3"));
        history.remove(2);
        assert!(missing(&history, &[known(3, 1)], false).unwrap_err().contains("trade 3"));
        assert!(missing(&history, &[known(7, 1)], false).is_ok(), "beyond the last row the history may end");
    }
}
