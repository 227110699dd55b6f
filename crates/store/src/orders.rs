//! Writing steps of orders, many at a time. A step is known by its number: writing it again changes nothing.

use std::collections::HashSet;

use kt_model::{Decimal, Nanos, Order, OrderStep};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Statement, Transaction};

use crate::{Error, Store};

/// One array for each column; decimals travel as text: no digit may pass through a float.
const INSERT_STEPS: &str = "INSERT INTO order_step
    SELECT sequence, step, event_ts, happened_ts, published_ts, strategy, venue, instrument, client_order_id,
        venue_order_id, fill_id, intent, side, time_in_force, limit_price::numeric, quantity::numeric,
        filled::numeric, fill_price::numeric, fill_quantity::numeric, liquidity, fee::numeric, cash::numeric,
        funding_rate::numeric, position::numeric, bid_price::numeric, bid_quantity::numeric, ask_price::numeric,
        ask_quantity::numeric, quote_ts, signal_ts, basis_bps, z_score, edge_bps, reason, detail
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
        $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
        $24::text[], $25::text[], $26::text[], $27::text[], $28::text[], $29::bigint[], $30::bigint[],
        $31::float8[], $32::float8[], $33::float8[], $34::text[], $35::text[])
    AS given (sequence, step, event_ts, happened_ts, published_ts, strategy, venue, instrument, client_order_id,
        venue_order_id, fill_id, intent, side, time_in_force, limit_price, quantity, filled, fill_price,
        fill_quantity, liquidity, fee, cash, funding_rate, position, bid_price, bid_quantity, ask_price,
        ask_quantity, quote_ts, signal_ts, basis_bps, z_score, edge_bps, reason, detail)
    ON CONFLICT (sequence) DO NOTHING RETURNING sequence";

const INSERT_ORDERS: &str = "INSERT INTO trade_order (client_order_id, strategy, venue, instrument, intent, side,
        time_in_force, limit_price, quantity, state, decided_ts, updated_ts, last_sequence)
    SELECT client_order_id, strategy, venue, instrument, intent, side, time_in_force, limit_price, quantity,
        'decided', event_ts, event_ts, sequence
    FROM order_step WHERE sequence = ANY($1) AND step = 'decided' ORDER BY sequence
    ON CONFLICT (client_order_id) DO NOTHING";

/// Each order once, by all of its steps together. An end stays an end, the first one; what was traded never
/// becomes less; an order that has traded everything is filled, whatever was said of it before.
const UPDATE_ORDERS: &str = "WITH given AS (
        SELECT known.client_order_id, max(one.sequence) AS last_sequence, max(one.filled) AS filled,
            (array_agg(one.event_ts ORDER BY one.sequence DESC))[1] AS updated_ts,
            (array_agg(one.venue_order_id ORDER BY one.sequence DESC)
                FILTER (WHERE one.venue_order_id <> ''))[1] AS venue_order_id,
            (array_agg(one.state ORDER BY one.sequence)
                FILTER (WHERE one.state IN ('cancelled', 'rejected', 'refused')))[1] AS ended,
            (array_agg(one.state ORDER BY one.sequence DESC) FILTER (WHERE one.state IS NOT NULL))[1] AS newest
        FROM (SELECT client_order_id, sequence, event_ts, filled, venue_order_id,
                CASE step WHEN 'passed' THEN 'passed' WHEN 'refused' THEN 'refused' WHEN 'sent' THEN 'sent'
                    WHEN 'acknowledged' THEN 'working' WHEN 'fill' THEN 'working' WHEN 'rejected' THEN 'rejected'
                    WHEN 'cancelled' THEN 'cancelled' END AS state
            FROM order_step WHERE sequence = ANY($1) AND step <> 'decided' AND client_order_id <> '') AS one
        JOIN trade_order AS known
            ON known.client_order_id = one.client_order_id AND one.sequence > known.last_sequence
        GROUP BY known.client_order_id)
    UPDATE trade_order AS known SET
        filled = GREATEST(known.filled, COALESCE(given.filled, 0)),
        venue_order_id = COALESCE(given.venue_order_id, known.venue_order_id),
        state = CASE
            WHEN GREATEST(known.filled, COALESCE(given.filled, 0)) >= known.quantity THEN 'filled'
            WHEN known.state IN ('cancelled', 'rejected', 'refused') THEN known.state
            ELSE COALESCE(given.ended, given.newest, known.state) END,
        updated_ts = given.updated_ts, last_sequence = given.last_sequence
    FROM given WHERE known.client_order_id = given.client_order_id";

const INSERT_FILLS: &str = "INSERT INTO trade_fill
        (client_order_id, fill_id, sequence, price, quantity, fee, liquidity, event_ts)
    SELECT client_order_id, fill_id, sequence, fill_price, fill_quantity, fee, liquidity, event_ts
    FROM order_step WHERE sequence = ANY($1) AND step = 'fill' AND client_order_id <> '' ORDER BY sequence
    ON CONFLICT (client_order_id, fill_id) DO NOTHING";

/// The statements above, prepared once for a connection.
#[derive(Clone)]
pub(crate) struct OrderStatements {
    steps: Statement,
    orders: Statement,
    update: Statement,
    fills: Statement,
}

impl Store {
    /// Writes steps, all or none, with a fixed number of statements however many they are. Steps that are
    /// there already are left as they are.
    ///
    /// # Errors
    /// [`Error::Query`] if the server refuses.
    pub async fn write_order_steps(&mut self, steps: &[Order<'_>]) -> Result<(), Error> {
        let doing = "writing order steps";
        let statements = self.order_statements().await.map_err(Error::query(doing))?;
        let transaction = self.client.transaction().await.map_err(Error::query(doing))?;
        write(&transaction, &statements, steps).await.map_err(Error::query(doing))?;
        transaction.commit().await.map_err(Error::query(doing))
    }

    async fn order_statements(&mut self) -> Result<OrderStatements, tokio_postgres::Error> {
        if let Some(statements) = &self.order_statements {
            return Ok(statements.clone());
        }
        let statements = OrderStatements {
            steps: self.client.prepare(INSERT_STEPS).await?,
            orders: self.client.prepare(INSERT_ORDERS).await?,
            update: self.client.prepare(UPDATE_ORDERS).await?,
            fills: self.client.prepare(INSERT_FILLS).await?,
        };
        Ok(self.order_statements.insert(statements).clone())
    }

    /// Lets commits of this connection return before the disk has them: a kill of anybody's process but
    /// the server's loses nothing, and what a power loss takes is derived from the journal again.
    ///
    /// # Errors
    /// [`Error::Query`] if the server refuses.
    pub async fn commit_without_waiting(&self) -> Result<(), Error> {
        self.client.batch_execute("SET synchronous_commit = off").await.map_err(Error::query("setting up a connection"))
    }
}

async fn write(
    transaction: &Transaction<'_>,
    statements: &OrderStatements,
    steps: &[Order<'_>],
) -> Result<(), tokio_postgres::Error> {
    let rows = transaction.query(&statements.steps, &Columns::of(steps).parameters()).await?;
    let new: HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    let numbers = |wanted: &dyn Fn(&Order<'_>) -> bool| -> Vec<i64> {
        let concerned = steps.iter().filter(|step| !step.client_order_id.is_empty() && wanted(step));
        concerned.map(|step| whole(step.sequence)).filter(|number| new.contains(number)).collect()
    };
    // Decisions first: the steps that follow them may be of the same batch.
    let parts = [
        (&statements.orders, numbers(&|step| step.step == OrderStep::Decided)),
        (&statements.update, numbers(&|step| step.step != OrderStep::Decided)),
        (&statements.fills, numbers(&|step| step.step == OrderStep::Fill)),
    ];
    for (statement, numbers) in parts {
        if !numbers.is_empty() {
            transaction.execute(statement, &[&numbers]).await?;
        }
    }
    Ok(())
}

/// The steps column by column, in the order of the table.
struct Columns(Vec<Box<dyn ToSql + Sync + Send>>);

impl Columns {
    fn of(steps: &[Order<'_>]) -> Self {
        let mut columns = Self(Vec::with_capacity(35));
        columns.add(steps, |step| whole(step.sequence));
        columns.add(steps, |step| step.step.as_str().to_owned());
        columns.add(steps, |step| step.header.event_ts.0);
        columns.add(steps, |step| nanos(step.header.exch_ts));
        columns.add(steps, |step| step.header.publish_ts.0);
        columns.add(steps, |step| step.strategy.0.to_owned());
        columns.add(steps, |step| step.header.venue.0.to_owned());
        columns.add(steps, |step| step.header.instrument.0.to_owned());
        columns.add(steps, |step| step.client_order_id.to_owned());
        columns.add(steps, |step| step.venue_order_id.to_owned());
        columns.add(steps, |step| step.fill_id.to_owned());
        columns.add(steps, |step| step.intent.0.to_owned());
        columns.add(steps, |step| step.side.as_str().to_owned());
        columns.add(steps, |step| step.time_in_force.as_str().to_owned());
        columns.add(steps, |step| text(step.limit_price));
        columns.add(steps, |step| text(step.quantity));
        columns.add(steps, |step| text(step.filled));
        columns.add(steps, |step| text(step.fill_price));
        columns.add(steps, |step| text(step.fill_quantity));
        columns.add(steps, |step| step.liquidity.0.to_owned());
        columns.add(steps, |step| text(step.fee));
        columns.add(steps, |step| text(step.cash));
        columns.add(steps, |step| step.funding_rate.map(|rate| rate.to_string()));
        columns.add(steps, |step| text(step.position));
        columns.add(steps, |step| text(step.bid_price));
        columns.add(steps, |step| text(step.bid_quantity));
        columns.add(steps, |step| text(step.ask_price));
        columns.add(steps, |step| text(step.ask_quantity));
        columns.add(steps, |step| nanos(step.quote_ts));
        columns.add(steps, |step| nanos(step.signal_ts));
        columns.add(steps, |step| step.basis_bps);
        columns.add(steps, |step| step.z_score);
        columns.add(steps, |step| step.edge_bps);
        columns.add(steps, |step| step.reason.0.to_owned());
        columns.add(steps, |step| step.detail.to_owned());
        columns
    }

    fn add<T: ToSql + Sync + Send + 'static>(&mut self, steps: &[Order<'_>], value: impl Fn(&Order<'_>) -> T) {
        self.0.push(Box::new(steps.iter().map(value).collect::<Vec<T>>()));
    }

    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect()
    }
}

fn text(number: Option<Decimal<18>>) -> Option<String> {
    number.map(|number| number.to_string())
}

fn nanos(moment: Option<Nanos>) -> Option<i64> {
    moment.map(|moment| moment.0)
}

pub(crate) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
