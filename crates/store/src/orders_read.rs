//! Reading orders: for people, and for a trading service that starts.

use serde::Serialize;

use crate::{Error, Store};

/// One step of an order, numbers as exact text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredStep {
    /// Number of the step.
    pub sequence: i64,
    /// What happened.
    pub step: String,
    /// When, by the trading service's inputs, ns since the epoch.
    pub event_ts: i64,
    /// When it happened at the venue.
    pub happened_ts: Option<i64>,
    /// When it left the trading service.
    pub published_ts: i64,
    /// Why, in one word.
    pub reason: String,
    /// For people.
    pub detail: String,
    /// The venue's name of the order, once known.
    pub venue_order_id: String,
    /// Id of the fill.
    pub fill_id: String,
    /// Traded so far.
    pub filled: Option<String>,
    /// Price of the fill.
    pub fill_price: Option<String>,
    /// Quantity of the fill.
    pub fill_quantity: Option<String>,
    /// Maker or taker.
    pub liquidity: String,
    /// Fee of the fill.
    pub fee: Option<String>,
    /// Cash moved.
    pub cash: Option<String>,
    /// Position behind this step.
    pub position: Option<String>,
    /// Best bid at this step.
    pub bid_price: Option<String>,
    /// Quantity there.
    pub bid_quantity: Option<String>,
    /// Best offer at this step.
    pub ask_price: Option<String>,
    /// Quantity there.
    pub ask_quantity: Option<String>,
    /// When that quote was received.
    pub quote_ts: Option<i64>,
    /// When the event that moved the strategy was received.
    pub signal_ts: Option<i64>,
    /// The basis that moved it.
    pub basis_bps: Option<f64>,
    /// Its distance from the mean, in deviations.
    pub z_score: Option<f64>,
    /// Expected profit after costs.
    pub edge_bps: Option<f64>,
}

/// An order as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OrderSummary {
    /// Our name of it.
    pub client_order_id: String,
    /// The venue's.
    pub venue_order_id: String,
    /// The strategy.
    pub strategy: String,
    /// Venue of the instrument.
    pub venue: String,
    /// The instrument.
    pub instrument: String,
    /// What for.
    pub intent: String,
    /// Which way.
    pub side: String,
    /// How long.
    pub time_in_force: String,
    /// Worst price.
    pub limit_price: String,
    /// Ordered.
    pub quantity: String,
    /// Traded.
    pub filled: String,
    /// Where it stands.
    pub state: String,
    /// When it was decided, ns since the epoch.
    pub decided_ts: i64,
}

/// A strategy's account in one instrument, as exact text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StoredPosition {
    /// The strategy.
    pub strategy: String,
    /// Venue of the instrument.
    pub venue: String,
    /// The instrument.
    pub instrument: String,
    /// Base units, negative when short.
    pub quantity: String,
    /// Received less paid for trades.
    pub cash: String,
    /// Fees paid.
    pub fees: String,
    /// Funding received.
    pub funding: String,
}

/// An order without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// Our name of it.
    pub client_order_id: String,
    /// The strategy.
    pub strategy: String,
    /// Venue of the instrument.
    pub venue: String,
    /// The instrument.
    pub instrument: String,
}

/// What a trading service without a journal goes on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TradingState {
    /// Number of the last step.
    pub last_sequence: i64,
    /// Number of the last order.
    pub last_order: i64,
    /// Time of the last step.
    pub last_event: i64,
    /// Whether trading was forbidden.
    pub halted: bool,
    /// Accounts.
    pub positions: Vec<StoredPosition>,
    /// Orders without an end.
    pub open_orders: Vec<OpenOrder>,
}

/// Columns of [`OrderSummary`]; exact numbers without the zeros behind the last digit.
const SUMMARY: &str = "client_order_id, venue_order_id, strategy, venue, instrument, intent, side, time_in_force,
    trim_scale(limit_price)::text, trim_scale(quantity)::text, trim_scale(filled)::text, state, decided_ts";

impl Store {
    /// Number of the last order step; 0 before the first.
    ///
    /// # Errors
    /// [`Error::Query`] if the server refuses.
    pub async fn last_order_step(&self) -> Result<u64, Error> {
        let query = "SELECT COALESCE(max(sequence), 0) FROM order_step";
        let row = self.client.query_one(query, &[]).await.map_err(Error::query("reading the last order step"))?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
    }

    /// The newest orders, newest first.
    ///
    /// # Errors
    /// [`Error::Query`] if the server refuses.
    pub async fn orders(&self, limit: u32) -> Result<Vec<OrderSummary>, Error> {
        let query = format!("SELECT {SUMMARY} FROM trade_order ORDER BY decided_ts DESC, last_sequence DESC LIMIT $1");
        let rows = self.client.query(&query, &[&i64::from(limit)]).await.map_err(Error::query("reading orders"))?;
        Ok(rows.iter().map(summary).collect())
    }

    /// One order by our name or the venue's name of it.
    ///
    /// # Errors
    /// [`Error::Query`] if the server refuses.
    pub async fn order(&self, id: &str) -> Result<Option<OrderSummary>, Error> {
        let query = format!("SELECT {SUMMARY} FROM trade_order WHERE client_order_id = $1 OR venue_order_id = $1");
        let row = self.client.query_opt(&query, &[&id]).await.map_err(Error::query("reading an order"))?;
        Ok(row.as_ref().map(summary))
    }

    /// Every step of an order, in order.
    ///
    /// # Errors
    /// [`Error::Query`] if the server refuses.
    pub async fn order_steps(&self, client_order_id: &str) -> Result<Vec<StoredStep>, Error> {
        let number = |column: &str| format!("trim_scale({column})::text");
        let numbers = ["fee", "cash", "position", "bid_price", "bid_quantity", "ask_price", "ask_quantity"].map(number);
        let query = format!(
            "SELECT sequence, step, event_ts, happened_ts, published_ts, reason, detail, venue_order_id, fill_id,
                trim_scale(filled)::text, trim_scale(fill_price)::text, trim_scale(fill_quantity)::text, liquidity, {},
                quote_ts, signal_ts, basis_bps, z_score, edge_bps
             FROM order_step WHERE client_order_id = $1 AND client_order_id <> '' ORDER BY sequence",
            numbers.join(", ")
        );
        let rows = self.client.query(&query, &[&client_order_id]).await.map_err(Error::query("reading order steps"))?;
        Ok(rows.iter().map(stored_step).collect())
    }

    /// What a trading service without a journal goes on from.
    ///
    /// # Errors
    /// [`Error::Query`] if the server refuses.
    pub async fn trading_state(&self) -> Result<TradingState, Error> {
        let failed = || Error::query("reading the state of trading");
        let last = "SELECT COALESCE(max(sequence), 0), COALESCE(max(event_ts), 0),
                COALESCE(max((regexp_match(client_order_id, '-([0-9]+)$'))[1]::bigint), 0),
                COALESCE((array_agg(step ORDER BY sequence DESC) FILTER (WHERE step IN ('halted', 'resumed')))[1], '')
             FROM order_step";
        let last = self.client.query_one(last, &[]).await.map_err(failed())?;
        let positions = "SELECT strategy, venue, instrument,
                COALESCE((array_agg(position ORDER BY sequence DESC) FILTER (WHERE position IS NOT NULL))[1], 0)::text,
                COALESCE(sum(cash) FILTER (WHERE step IN ('fill', 'settled')), 0)::text,
                COALESCE(sum(fee) FILTER (WHERE step = 'fill'), 0)::text,
                COALESCE(sum(cash) FILTER (WHERE step = 'funding'), 0)::text
             FROM order_step WHERE strategy <> '' AND instrument <> ''
             GROUP BY strategy, venue, instrument ORDER BY strategy, venue, instrument";
        let positions = self.client.query(positions, &[]).await.map_err(failed())?;
        let open = "SELECT client_order_id, strategy, venue, instrument FROM trade_order
             WHERE state NOT IN ('filled', 'cancelled', 'rejected', 'refused') ORDER BY last_sequence";
        let open = self.client.query(open, &[]).await.map_err(failed())?;
        Ok(TradingState {
            last_sequence: last.get(0),
            last_event: last.get(1),
            last_order: last.get(2),
            halted: last.get::<_, String>(3) == "halted",
            positions: positions.iter().map(position).collect(),
            open_orders: open.iter().map(open_order).collect(),
        })
    }
}

fn position(row: &tokio_postgres::Row) -> StoredPosition {
    StoredPosition {
        strategy: row.get(0),
        venue: row.get(1),
        instrument: row.get(2),
        quantity: row.get(3),
        cash: row.get(4),
        fees: row.get(5),
        funding: row.get(6),
    }
}

fn open_order(row: &tokio_postgres::Row) -> OpenOrder {
    OpenOrder { client_order_id: row.get(0), strategy: row.get(1), venue: row.get(2), instrument: row.get(3) }
}

fn summary(row: &tokio_postgres::Row) -> OrderSummary {
    OrderSummary {
        client_order_id: row.get(0),
        venue_order_id: row.get(1),
        strategy: row.get(2),
        venue: row.get(3),
        instrument: row.get(4),
        intent: row.get(5),
        side: row.get(6),
        time_in_force: row.get(7),
        limit_price: row.get(8),
        quantity: row.get(9),
        filled: row.get(10),
        state: row.get(11),
        decided_ts: row.get(12),
    }
}

fn stored_step(row: &tokio_postgres::Row) -> StoredStep {
    StoredStep {
        sequence: row.get(0),
        step: row.get(1),
        event_ts: row.get(2),
        happened_ts: row.get(3),
        published_ts: row.get(4),
        reason: row.get(5),
        detail: row.get(6),
        venue_order_id: row.get(7),
        fill_id: row.get(8),
        filled: row.get(9),
        fill_price: row.get(10),
        fill_quantity: row.get(11),
        liquidity: row.get(12),
        fee: row.get(13),
        cash: row.get(14),
        position: row.get(15),
        bid_price: row.get(16),
        bid_quantity: row.get(17),
        ask_price: row.get(18),
        ask_quantity: row.get(19),
        quote_ts: row.get(20),
        signal_ts: row.get(21),
        basis_bps: row.get(22),
        z_score: row.get(23),
        edge_bps: row.get(24),
    }
}
