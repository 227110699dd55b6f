//! Which rows of a window landing already holds.

use kt_model::schema::Kind;
use kt_model::{Nanos, Price, Quantity};
use serde::Deserialize;

use super::{Ledger, time, within};
use crate::client::{ClientError, Options};

/// A trade in landing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTrade {
    /// The venue's id.
    pub id: String,
    /// How many trades the row stands for.
    pub count: u32,
    /// Key time.
    pub event_ts: Nanos,
    /// As landed.
    pub price: Price,
    /// As landed.
    pub quantity: Quantity,
    /// `buy`, `sell` or `unknown`.
    pub side: String,
}

#[derive(Deserialize)]
struct TradeRow {
    id: String,
    count: u32,
    at: i64,
    price: String,
    quantity: String,
    side: String,
}

#[derive(Deserialize)]
struct MomentRow {
    at: i64,
}

impl Ledger {
    /// Trades of an instrument within a window that were received up to a moment, each identity once or more.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn trades(
        &self,
        venue: &str,
        instrument: &str,
        window: (Nanos, Nanos),
        received: Nanos,
    ) -> Result<Vec<KnownTrade>, ClientError> {
        // The memory of a decimal is its number of units, the lowest byte first.
        let sql = format!(
            "SELECT trade_id AS id, trade_count AS count, toUnixTimestamp64Nano(event_ts) AS at, hex(price) AS price, \
             hex(quantity) AS quantity, side FROM landing.trade \
             WHERE venue = {{venue:String}} AND instrument = {{instrument:String}} AND {} AND recv_ts <= {}",
            within(window),
            time(received)
        );
        let options = Options::new().param("venue", venue).param("instrument", instrument);
        let rows = self.client.query_rows::<TradeRow>(&sql, &options).await?;
        rows.into_iter()
            .map(|row| {
                Ok(KnownTrade {
                    price: kt_model::Decimal(units(&row.price)?),
                    quantity: kt_model::Decimal(units(&row.quantity)?),
                    id: row.id,
                    count: row.count,
                    event_ts: Nanos(row.at),
                    side: row.side,
                })
            })
            .collect()
    }

    /// Begins of the closed candles of a length, or moments of the settled fundings, within a window of `event_ts`.
    ///
    /// # Errors
    /// The warehouse's.
    pub async fn moments(
        &self,
        kind: Kind,
        venue: &str,
        instrument: &str,
        window: (Nanos, Nanos),
    ) -> Result<Vec<Nanos>, ClientError> {
        let (column, condition) = match kind {
            Kind::Candle => ("open_ts", "closed AND interval_seconds = 60"),
            _ => ("settles_at", "stage = 'settled' AND settles_at IS NOT NULL"),
        };
        let sql = format!(
            "SELECT DISTINCT toUnixTimestamp64Nano(assumeNotNull({column})) AS at FROM {} \
             WHERE venue = {{venue:String}} AND instrument = {{instrument:String}} AND {condition} AND {}",
            kind.table(),
            within(window)
        );
        let options = Options::new().param("venue", venue).param("instrument", instrument);
        let rows = self.client.query_rows::<MomentRow>(&sql, &options).await?;
        Ok(rows.into_iter().map(|row| Nanos(row.at)).collect())
    }
}

/// Units of a decimal from the hexadecimal text of its memory.
fn units(hex: &str) -> Result<i128, ClientError> {
    let wrong = || ClientError::Decode(format!("`{hex}` is no decimal of 16 bytes"));
    let mut bytes = [0u8; 16];
    if hex.len() != 32 {
        return Err(wrong());
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = hex.get(2 * index..2 * index + 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(i128::from_le_bytes(bytes))
}
