//! Where orders go: the interface that paper and real order entry share.

use kt_model::{Event, Nanos, Price, Quantity, Side, TimeInForce};

use crate::market::Market;

/// An order on its way.
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    /// Our name of it: a venue that sees it twice must not make two orders of it.
    pub client_order_id: &'a str,
    /// Number of the market.
    pub market: usize,
    /// Which way.
    pub side: Side,
    /// Worst price.
    pub limit: Price,
    /// How much.
    pub quantity: Quantity,
    /// How long.
    pub time_in_force: TimeInForce,
}

/// Order entry. An adapter to an exchange reports through the ordered input instead and leaves
/// [`OrderEntry::advance`] and [`OrderEntry::observe`] empty.
pub trait OrderEntry {
    /// A process began: nothing sent before is known here any more.
    fn restart(&mut self, at: Nanos);

    /// Sends an order. It has passed risk and stands in the records.
    fn place(&mut self, order: &Placement<'_>, now: Nanos);

    /// Asks to cancel an order.
    fn cancel(&mut self, client_order_id: &str, now: Nanos);

    /// Time has moved to `now`, and `markets` stand as they did until then: carries out what was due by
    /// now. Reports that have come back go to `reports`, as encoded by [`crate::report::Report::to_bytes`].
    fn advance(&mut self, now: Nanos, markets: &[Market], reports: &mut Vec<Vec<u8>>);

    /// An event of one market, already applied to it.
    fn observe(&mut self, market: usize, event: &Event<'_>, markets: &[Market], now: Nanos);
}
