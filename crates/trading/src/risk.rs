//! What stands between a strategy's wish and the venue. Every order passes all of it.

use std::collections::VecDeque;

use kt_model::{Decimal, Nanos, Quantity, Side};

use crate::config::RiskConfig;
use crate::ledger::Account;
use crate::market::{Distrust, Market};
use crate::money::{self, Rounding};
use crate::order::Order;
use crate::strategy::Wish;

/// Why an order may not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Trading is forbidden.
    KillSwitch,
    /// The past is still being replayed.
    NotLive,
    /// The market must not be traded on.
    Market(Distrust),
    /// Quantity or price is off the venue's grid, or not above zero.
    Grid,
    /// Below the venue's smallest order.
    TooSmall,
    /// Its value is too large.
    OrderNotional,
    /// The position would be too large.
    PositionNotional,
    /// Its limit lies too far beyond the middle of the book.
    Collar,
    /// Too many orders within a second.
    Rate,
}

impl Refusal {
    /// Its name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KillSwitch => "kill_switch",
            Self::NotLive => "not_live",
            Self::Market(distrust) => distrust.as_str(),
            Self::Grid => "off_grid",
            Self::TooSmall => "too_small",
            Self::OrderNotional => "order_notional",
            Self::PositionNotional => "position_notional",
            Self::Collar => "price_collar",
            Self::Rate => "order_rate",
        }
    }
}

/// The limits and what was sent lately.
#[derive(Debug)]
pub struct Risk {
    config: RiskConfig,
    /// Whether trading is forbidden.
    pub halted: bool,
    /// Whether what happens now is live.
    pub live: bool,
    sent: VecDeque<Nanos>,
}

const SECOND: i64 = 1_000_000_000;

impl Risk {
    /// Nothing sent yet; not live.
    #[must_use]
    pub fn new(config: RiskConfig) -> Self {
        let sent = VecDeque::with_capacity(usize::from(config.max_orders_per_second));
        Self { config, halted: false, live: false, sent }
    }

    /// Checks a wish. An order that passes counts towards the rate.
    ///
    /// # Errors
    /// The first limit it breaks.
    pub fn check(
        &mut self,
        wish: &Wish,
        market: &Market,
        account: &Account,
        open: &[Order],
        now: Nanos,
    ) -> Result<(), Refusal> {
        if self.halted {
            return Err(Refusal::KillSwitch);
        }
        if !self.live {
            return Err(Refusal::NotLive);
        }
        let top = market.trusted(now, self.config.max_quote_age_ms.milliseconds()).map_err(Refusal::Market)?;
        let middle = top.middle();
        grid(wish, market)?;
        let value = money::multiply(wish.limit, wish.quantity, Rounding::Up).ok_or(Refusal::OrderNotional)?;
        if value > self.config.max_order_notional.0 {
            return Err(Refusal::OrderNotional);
        }
        self.position(wish, market, account, open)?;
        let reach = money::basis_points(middle, self.config.price_collar_bps.0, Rounding::Down);
        let beyond = if wish.side == Side::Buy { wish.limit.0 - middle.0 } else { middle.0 - wish.limit.0 };
        if reach.is_none_or(|reach| beyond > reach.0) {
            return Err(Refusal::Collar);
        }
        self.rate(now)
    }

    /// The position if everything open were to trade, too: a wish that brings it nearer to zero may
    /// always do so.
    fn position(&self, wish: &Wish, market: &Market, account: &Account, open: &[Order]) -> Result<(), Refusal> {
        let signed = |side: Side, quantity: Quantity| if side == Side::Buy { quantity.0 } else { -quantity.0 };
        let working: i128 = open
            .iter()
            .filter(|order| order.market == wish.market && order.side == wish.side)
            .map(|order| signed(order.side, order.open_quantity()))
            .sum();
        let before = account.quantity.0 + working;
        let after = before + signed(wish.side, wish.quantity);
        if after.abs() <= account.quantity.0.abs() && after.signum() * account.quantity.0.signum() >= 0 {
            return Ok(());
        }
        let price = market.top().map_or(wish.limit, |top| top.ask_price.max(wish.limit));
        let value = money::notional_up(price, Decimal(after.abs())).ok_or(Refusal::PositionNotional)?;
        if value > self.config.max_position_notional.0 { Err(Refusal::PositionNotional) } else { Ok(()) }
    }

    fn rate(&mut self, now: Nanos) -> Result<(), Refusal> {
        while self.sent.front().is_some_and(|at| now.0 - at.0 >= SECOND) {
            self.sent.pop_front();
        }
        if self.sent.len() >= usize::from(self.config.max_orders_per_second) {
            return Err(Refusal::Rate);
        }
        self.sent.push_back(now);
        Ok(())
    }
}

fn grid(wish: &Wish, market: &Market) -> Result<(), Refusal> {
    let definition = market.definition.as_ref().ok_or(Refusal::Market(Distrust::Undescribed))?;
    let on_grid = |value: i128, step: i128| value > 0 && step > 0 && value % step == 0;
    if !on_grid(wish.limit.0, definition.tick.0) || !on_grid(wish.quantity.0, definition.lot.0) {
        return Err(Refusal::Grid);
    }
    let value = money::notional(wish.limit, wish.quantity).ok_or(Refusal::OrderNotional)?;
    if wish.quantity < definition.minimum_quantity || value < definition.minimum_notional {
        return Err(Refusal::TooSmall);
    }
    Ok(())
}
