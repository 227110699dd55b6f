//! Writing steps of orders. A step is known by its number: writing it again changes nothing.

use kt_model::{Decimal, Nanos, Order, OrderStep};
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use crate::{Error, Store};

/// Decimals travel as text: no digit may pass through a float.
const INSERT_STEP: &str = "INSERT INTO order_step VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
    $15::text::numeric, $16::text::numeric, $17::text::numeric, $18::text::numeric, $19::text::numeric, $20,
    $21::text::numeric, $22::text::numeric, $23::text::numeric, $24::text::numeric, $25::text::numeric,
    $26::text::numeric, $27::text::numeric, $28::text::numeric, $29, $30, $31, $32, $33, $34, $35)
    ON CONFLICT (sequence) DO NOTHING";

const INSERT_ORDER: &str = "INSERT INTO trade_order (client_order_id, strategy, venue, instrument, intent, side,
    time_in_force, limit_price, quantity, state, decided_ts, updated_ts, last_sequence)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::numeric, $9::text::numeric, 'decided', $10, $10, $11)
    ON CONFLICT (client_order_id) DO NOTHING";

/// An end stays an end; what was traded never becomes less.
const UPDATE_ORDER: &str = "UPDATE trade_order SET
    filled = GREATEST(filled, COALESCE($2::text::numeric, 0)),
    venue_order_id = COALESCE(NULLIF($3, ''), venue_order_id),
    state = CASE
        WHEN GREATEST(filled, COALESCE($2::text::numeric, 0)) >= quantity THEN 'filled'
        WHEN state IN ('cancelled', 'rejected', 'refused') THEN state
        ELSE COALESCE($4, state) END,
    updated_ts = $5, last_sequence = $6
    WHERE client_order_id = $1 AND last_sequence < $6";

const INSERT_FILL: &str = "INSERT INTO trade_fill
    (client_order_id, fill_id, sequence, price, quantity, fee, liquidity, event_ts)
    VALUES ($1, $2, $3, $4::text::numeric, $5::text::numeric, $6::text::numeric, $7, $8)
    ON CONFLICT (client_order_id, fill_id) DO NOTHING";

impl Store {
    /// Writes steps, all or none. Steps that are there already are left as they are.
    ///
    /// # Errors
    /// [`Error::Query`] if the server refuses.
    pub async fn write_order_steps(&mut self, steps: &[Order<'_>]) -> Result<(), Error> {
        let doing = "writing order steps";
        let transaction = self.client.transaction().await.map_err(Error::query(doing))?;
        for step in steps {
            write(&transaction, step).await.map_err(Error::query(doing))?;
        }
        transaction.commit().await.map_err(Error::query(doing))
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

async fn write(transaction: &Transaction<'_>, step: &Order<'_>) -> Result<(), tokio_postgres::Error> {
    let header = &step.header;
    let (sequence, at) = (whole(step.sequence), header.event_ts.0);
    let text = |number: Option<Decimal<18>>| number.map(|number| number.to_string());
    let nanos = |moment: Option<Nanos>| moment.map(|moment| moment.0);
    let (limit, quantity, filled) = (text(step.limit_price), text(step.quantity), text(step.filled));
    let (price, size) = (text(step.fill_price), text(step.fill_quantity));
    let (fee, cash, position) = (text(step.fee), text(step.cash), text(step.position));
    let rate = step.funding_rate.map(|rate| rate.to_string());
    let quote = [step.bid_price, step.bid_quantity, step.ask_price, step.ask_quantity].map(text);
    let parameters: [&(dyn ToSql + Sync); 35] = [
        &sequence,
        &step.step.as_str(),
        &at,
        &nanos(header.exch_ts),
        &header.publish_ts.0,
        &step.strategy.0,
        &header.venue.0,
        &header.instrument.0,
        &step.client_order_id,
        &step.venue_order_id,
        &step.fill_id,
        &step.intent.0,
        &step.side.as_str(),
        &step.time_in_force.as_str(),
        &limit,
        &quantity,
        &filled,
        &price,
        &size,
        &step.liquidity.0,
        &fee,
        &cash,
        &rate,
        &position,
        &quote[0],
        &quote[1],
        &quote[2],
        &quote[3],
        &nanos(step.quote_ts),
        &nanos(step.signal_ts),
        &step.basis_bps,
        &step.z_score,
        &step.edge_bps,
        &step.reason.0,
        &step.detail,
    ];
    let is_new = transaction.execute(INSERT_STEP, &parameters).await? > 0;
    if !is_new || step.client_order_id.is_empty() {
        return Ok(());
    }
    let id = &step.client_order_id;
    if step.step == OrderStep::Decided {
        let parameters: [&(dyn ToSql + Sync); 11] = [
            id,
            &step.strategy.0,
            &header.venue.0,
            &header.instrument.0,
            &step.intent.0,
            &step.side.as_str(),
            &step.time_in_force.as_str(),
            &limit,
            &quantity,
            &at,
            &sequence,
        ];
        transaction.execute(INSERT_ORDER, &parameters).await?;
        return Ok(());
    }
    transaction
        .execute(UPDATE_ORDER, &[id, &filled, &step.venue_order_id, &state_after(step.step), &at, &sequence])
        .await?;
    if step.step == OrderStep::Fill {
        let parameters: [&(dyn ToSql + Sync); 8] =
            [id, &step.fill_id, &sequence, &price, &size, &fee, &step.liquidity.0, &at];
        transaction.execute(INSERT_FILL, &parameters).await?;
    }
    Ok(())
}

/// The state that a step alone leads to; `None` leaves it.
fn state_after(step: OrderStep) -> Option<&'static str> {
    Some(match step {
        OrderStep::Passed => "passed",
        OrderStep::Refused => "refused",
        OrderStep::Sent => "sent",
        OrderStep::Acknowledged | OrderStep::Fill => "working",
        OrderStep::Rejected => "rejected",
        OrderStep::Cancelled => "cancelled",
        _ => return None,
    })
}

pub(crate) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
