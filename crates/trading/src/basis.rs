//! The basis strategy: spot against perpetual of the same asset.
//!
//! basis = (perpetual − spot) / spot × 10 000, of the middles. Deviation from its rolling mean in standard
//! deviations (z) begins and ends positions; what a return to the mean would earn has to pay for both ways
//! through the book first. The spot leg leads, the perpetual follows what the spot leg has traded.

use kt_model::{Decimal, Nanos, Quantity, Side, TimeInForce};
use kt_signals::formula;
use kt_signals::number::float;

use crate::config::{BasisConfig, Direction, Entry, PaperConfig};
use crate::funding;
use crate::market::{Market, Top};
use crate::money::{self, Rounding};
use crate::order::{Intent, Order};
use crate::strategy::{Decision, Reason, Strategy, View, Wish};
use crate::window::Window;

/// Pause after a refusal or an order that traded nothing, ns: a market that refuses is not asked again at
/// every event.
const RETRY: i64 = 500_000_000;

/// What it is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Flat,
    /// Building: positive quantity means spot bought.
    Entering {
        spot_target: Quantity,
        since: Nanos,
        reason: Reason,
    },
    Holding {
        since: Nanos,
    },
    Unwinding {
        reason: Reason,
    },
}

/// What the two books say now.
#[derive(Clone, Copy, Debug)]
struct Sight {
    spot: Top,
    perpetual: Top,
    basis_bps: f64,
    at: Nanos,
}

/// See the module.
pub struct Basis {
    config: BasisConfig,
    /// Number of the spot market, then of the perpetual one.
    markets: [usize; 2],
    /// Fees of both legs, in basis points, for statistics: once as maker, once as taker.
    fees: [[f64; 2]; 2],
    window: Window,
    statistics: Option<(f64, f64)>,
    sampled: Nanos,
    phase: Phase,
    /// No new order in a leg before this.
    pause_until: [Nanos; 2],
    /// No new position before this.
    flat_until: Nanos,
    funding_unknown: bool,
}

impl Basis {
    /// For one pair, whose legs are these markets.
    #[must_use]
    pub fn new(config: BasisConfig, paper: &PaperConfig, spot: usize, perpetual: usize) -> Self {
        let fees = [&config.spot, &config.perpetual].map(|leg| {
            let fee = paper.fees.get(&leg.get_ref().venue);
            fee.map_or([0.0; 2], |fee| [fee.maker_bps.0.to_f64(), fee.taker_bps.0.to_f64()])
        });
        Self {
            window: Window::new(usize::from(config.window)),
            config,
            markets: [spot, perpetual],
            fees,
            statistics: None,
            sampled: Nanos(0),
            phase: Phase::Flat,
            pause_until: [Nanos(0); 2],
            flat_until: Nanos(0),
            funding_unknown: false,
        }
    }

    fn market<'v>(&self, view: &View<'v>, leg: usize) -> &'v Market {
        &view.markets[self.markets[leg]]
    }

    fn position(&self, view: &View<'_>, leg: usize) -> Quantity {
        view.accounts[self.markets[leg]].quantity
    }

    /// Both books, if both may be believed; otherwise the word for why not.
    fn look(&self, view: &View<'_>) -> Result<Sight, &'static str> {
        let age = self.config.max_quote_age_ms.milliseconds();
        let trusted = |leg| self.market(view, leg).trusted(view.now, age).map_err(|distrust| distrust.as_str());
        let (spot, perpetual) = (*trusted(0)?, *trusted(1)?);
        // The same formulas, over the same floats, as the signal `basis`: equal quotes give equal bits.
        let middle = |top: &Top| formula::mid(float(top.bid_price), float(top.ask_price));
        let basis_bps = formula::basis_bps(middle(&perpetual), middle(&spot));
        Ok(Sight { spot, perpetual, basis_bps, at: spot.received.max(perpetual.received) })
    }

    fn sample(&mut self, now: Nanos, basis_bps: f64) {
        if now.0 - self.sampled.0 >= self.config.sample_ms.milliseconds() {
            self.sampled = now;
            self.window.push(basis_bps);
            let enough = self.window.len() >= usize::from(*self.config.min_samples.get_ref());
            self.statistics = if enough { self.window.mean_and_deviation() } else { None };
        }
    }

    /// What a return of the basis to its mean would earn after all costs, in basis points of one leg;
    /// `None` when funding is not known. `spot_sign` is 1 for spot bought and the perpetual sold.
    fn edge(&self, view: &View<'_>, sight: &Sight, mean: f64, spot_sign: f64) -> Option<f64> {
        let age = self.config.max_funding_age_s.seconds();
        let funding = funding::usable(self.market(view, 1), view.now, age).ok()?;
        let holding_ends = view.now.0 + self.config.max_holding_s.seconds();
        let settlements = match holding_ends - funding.settles_at.0 {
            before if before < 0 => 0,
            after => 1 + after / (i64::from(funding.interval) * 1_000_000_000),
        };
        // Positive rates are paid by the perpetual's longs to its shorts.
        let carry = spot_sign * funding.rate.to_f64() * 10_000.0 * settlements as f64;
        let half_spread =
            |top: &Top| (top.ask_price.to_f64() - top.bid_price.to_f64()) / top.middle().to_f64() * 10_000.0 / 2.0;
        let (spot_half, perpetual_half) = (half_spread(&sight.spot), half_spread(&sight.perpetual));
        let spot_entry = match self.config.entry {
            Entry::Maker => self.fees[0][0] - spot_half,
            Entry::Taker => self.fees[0][1] + spot_half,
        };
        let costs = spot_entry + self.fees[0][1] + spot_half + 2.0 * (self.fees[1][1] + perpetual_half);
        Some((sight.basis_bps - mean) * spot_sign + carry - costs)
    }

    /// Begins a position when the basis is far from its mean and pays for itself.
    fn consider_entry(&mut self, view: &View<'_>, sight: &Sight) {
        let Some((mean, deviation)) = self.statistics else { return };
        let z = (sight.basis_bps - mean) / deviation;
        let horizon = self.config.delisting_horizon_s.seconds();
        let ends = (0..2).any(|leg| self.market(view, leg).ends_within(view.now, horizon));
        let spot_sign = if z >= 0.0 { 1.0 } else { -1.0 };
        let allowed = spot_sign > 0.0 || self.config.direction == Direction::Both;
        if ends || !allowed || z.abs() < self.config.entry_z.0 || view.now < self.flat_until || self.funding_unknown {
            return;
        }
        let Some(edge) = self.edge(view, sight, mean, spot_sign).filter(|edge| *edge >= self.config.min_edge_bps)
        else {
            return;
        };
        let Some(size) = self.size(view, sight) else { return };
        let reason = Reason {
            word: "entry",
            at: sight.at,
            basis_bps: Some(sight.basis_bps),
            z_score: Some(z),
            edge_bps: Some(edge),
        };
        let spot_target = if spot_sign > 0.0 { size } else { Decimal(-size.0) };
        self.phase = Phase::Entering { spot_target, since: view.now, reason };
    }

    /// The configured value in base units, on the coarser of both grids.
    fn size(&self, view: &View<'_>, sight: &Sight) -> Option<Quantity> {
        let lots = [0, 1].map(|leg| self.market(view, leg).definition.as_ref().map(|definition| definition.lot));
        let lot = lots[0]?.max(lots[1]?);
        let value_of_lot = money::multiply(sight.spot.ask_price, lot, Rounding::Up)?;
        let count = self.config.notional.0.0 / value_of_lot.0;
        (count > 0).then(|| Decimal(lot.0 * count))
    }

    /// Why a position must end now, most urgent first.
    fn reason_to_leave(&self, view: &View<'_>, sight: &Result<Sight, &'static str>, since: Nanos) -> Option<Reason> {
        let leave = |word| Some(Reason { word, at: view.now, ..Reason::default() });
        let horizon = self.config.delisting_horizon_s.seconds();
        if (0..2).any(|leg| self.market(view, leg).ends_within(view.now, horizon)) {
            return leave("delisting");
        }
        let sight = match sight {
            Err(word) => return leave(word),
            Ok(sight) => sight,
        };
        if self.funding_unknown {
            return leave("funding_unknown");
        }
        if view.now.0 - since.0 >= self.config.max_holding_s.seconds() {
            return leave("max_holding");
        }
        let (mean, deviation) = self.statistics?;
        let z = (sight.basis_bps - mean) / deviation;
        let long_spot = self.position(view, 0).0 > 0;
        let toward = if long_spot { z } else { -z };
        (toward <= self.config.exit_z.get_ref().0).then_some(Reason {
            word: "exit",
            at: sight.at,
            basis_bps: Some(sight.basis_bps),
            z_score: Some(z),
            edge_bps: None,
        })
    }

    /// What both legs should hold, and why.
    fn targets(&self, view: &View<'_>) -> Option<([Quantity; 2], Reason, Intent)> {
        let opposite_of_spot = Decimal(-self.position(view, 0).0);
        let hedge = Reason { word: "hedge", at: view.now, ..Reason::default() };
        Some(match self.phase {
            Phase::Flat => return None,
            Phase::Entering { spot_target, reason, .. } if self.config.entry == Entry::Taker => {
                ([spot_target, Decimal(-spot_target.0)], reason, Intent::Open)
            }
            Phase::Entering { spot_target, reason, .. } => ([spot_target, opposite_of_spot], reason, Intent::Open),
            Phase::Holding { .. } => ([self.position(view, 0), opposite_of_spot], hedge, Intent::Hedge),
            Phase::Unwinding { reason } => ([Decimal::ZERO; 2], reason, Intent::Close),
        })
    }

    /// Moves between phases.
    fn advance(&mut self, view: &View<'_>, sight: &Result<Sight, &'static str>) {
        match self.phase {
            Phase::Flat => {
                if let (Ok(sight), true) = (sight, view.orders.is_empty()) {
                    let sight = *sight;
                    self.consider_entry(view, &sight);
                }
            }
            Phase::Entering { since, spot_target, .. } => {
                if let Some(reason) = self.reason_to_leave(view, sight, since).filter(|reason| reason.word != "exit") {
                    self.phase = Phase::Unwinding { reason };
                } else if self.is_done(view, spot_target) || self.entry_is_over(view, since) {
                    self.phase = Phase::Holding { since };
                }
            }
            Phase::Holding { since } => {
                if let Some(reason) = self.reason_to_leave(view, sight, since) {
                    self.phase = Phase::Unwinding { reason };
                } else if self.is_flat(view) && view.orders.is_empty() {
                    self.end(view.now);
                }
            }
            Phase::Unwinding { .. } => {
                if self.is_flat(view) && view.orders.is_empty() {
                    self.end(view.now);
                }
            }
        }
    }

    fn end(&mut self, now: Nanos) {
        self.phase = Phase::Flat;
        self.flat_until = Nanos(now.0 + self.config.cooldown_ms.milliseconds());
        self.funding_unknown = false;
    }

    fn entry_is_over(&self, view: &View<'_>, since: Nanos) -> bool {
        // A spot order that still works is cancelled first; what it has traded by then is kept and hedged.
        view.now.0 - since.0 >= self.config.maker_timeout_ms.milliseconds() && view.orders.is_empty()
    }

    fn is_done(&self, view: &View<'_>, spot_target: Quantity) -> bool {
        let at = |leg, target: i128| self.residual(view, leg, Decimal(target)).is_none();
        view.orders.is_empty() && at(0, spot_target.0) && at(1, -self.position(view, 0).0)
    }

    fn is_flat(&self, view: &View<'_>) -> bool {
        (0..2).all(|leg| self.residual(view, leg, Decimal::ZERO).is_none())
    }

    /// What a leg lacks of its target, in whole lots; `None` when that is less than the smallest order.
    fn residual(&self, view: &View<'_>, leg: usize, target: Quantity) -> Option<Quantity> {
        let lacking = target.0 - self.position(view, leg).0;
        if lacking == 0 {
            return None;
        }
        let Some(definition) = &self.market(view, leg).definition else {
            return Some(Decimal(lacking));
        };
        let size = money::floor_to(Decimal(lacking.abs()), definition.lot)?;
        let least = definition.lot.max(definition.minimum_quantity);
        (size >= least).then(|| Decimal(if lacking < 0 { -size.0 } else { size.0 }))
    }

    /// Brings both legs nearer to their targets.
    fn work(&mut self, view: &View<'_>, sight: &Result<Sight, &'static str>, out: &mut Vec<Decision>) {
        let Some((targets, reason, intent)) = self.targets(view) else { return };
        for (leg, target) in targets.into_iter().enumerate() {
            if let Some(order) = view.order_in(self.markets[leg]) {
                self.consider_cancel(view, order, out);
                continue;
            }
            let Some(lacking) = self.residual(view, leg, target) else { continue };
            if view.now < self.pause_until[leg] {
                continue;
            }
            let own = self.market(view, leg).trusted(view.now, self.config.max_quote_age_ms.milliseconds());
            // Only the other leg's delisting allows this one to go alone: it can never be closed there.
            let alone = self.market(view, 1 - leg).is_delisted(view.now);
            let Ok(top) = own.copied() else { continue };
            if sight.is_err() && !alone {
                continue;
            }
            let rests = leg == 0 && matches!(self.phase, Phase::Entering { .. }) && self.config.entry == Entry::Maker;
            let intent = if leg == 1 && rests_first(&self.phase, self.config.entry) { Intent::Hedge } else { intent };
            if let Some(wish) = self.wish(view, leg, lacking, &top, rests, (intent, reason)) {
                self.pause_until[leg] = Nanos(view.now.0 + RETRY);
                out.push(Decision::Place(wish));
            }
        }
    }

    fn wish(
        &self,
        view: &View<'_>,
        leg: usize,
        lacking: Quantity,
        top: &Top,
        rests: bool,
        (intent, reason): (Intent, Reason),
    ) -> Option<Wish> {
        let tick = self.market(view, leg).definition.as_ref()?.tick;
        let buys = lacking.0 > 0;
        let side = if buys { Side::Buy } else { Side::Sell };
        let limit = match (rests, buys) {
            (true, true) => top.bid_price,
            (true, false) => top.ask_price,
            (false, true) => {
                let slip = money::basis_points(top.ask_price, self.config.slippage_bps.0, Rounding::Down)?;
                money::floor_to(Decimal(top.ask_price.0 + slip.0), tick)?.max(top.ask_price)
            }
            (false, false) => {
                let slip = money::basis_points(top.bid_price, self.config.slippage_bps.0, Rounding::Down)?;
                money::ceil_to(Decimal(top.bid_price.0 - slip.0), tick)?.min(top.bid_price)
            }
        };
        let time_in_force = if rests { TimeInForce::PostOnly } else { TimeInForce::ImmediateOrCancel };
        let quantity = Decimal(lacking.0.abs());
        Some(Wish { market: self.markets[leg], side, quantity, limit, time_in_force, intent, reason })
    }

    /// A resting order goes when it has waited long enough or the position is to end.
    fn consider_cancel(&self, view: &View<'_>, order: &Order, out: &mut Vec<Decision>) {
        if order.time_in_force != TimeInForce::PostOnly || order.cancel_asked.is_some() {
            return;
        }
        let waited = view.now.0 - order.sent_at.0 >= self.config.maker_timeout_ms.milliseconds();
        let reason = match self.phase {
            Phase::Unwinding { reason } => reason.word,
            _ if waited => "maker_timeout",
            _ => return,
        };
        out.push(Decision::Cancel { client_order_id: order.client_order_id.clone(), reason });
    }
}

fn rests_first(phase: &Phase, entry: Entry) -> bool {
    entry == Entry::Maker && matches!(phase, Phase::Entering { .. })
}

impl Strategy for Basis {
    fn name(&self) -> &str {
        self.config.name.get_ref()
    }

    fn markets(&self) -> &[usize] {
        &self.markets
    }

    fn decide(&mut self, view: &View<'_>, out: &mut Vec<Decision>) {
        let sight = self.look(view);
        if let Ok(sight) = &sight {
            self.sample(view.now, sight.basis_bps);
        }
        self.advance(view, &sight);
        self.work(view, &sight, out);
    }

    fn refused(&mut self, market: usize, now: Nanos) {
        for leg in 0..2 {
            if self.markets[leg] == market {
                self.pause_until[leg] = Nanos(now.0 + RETRY);
            }
        }
    }

    fn funding_unknown(&mut self, market: usize) {
        self.funding_unknown |= market == self.markets[1];
    }

    fn restored(&mut self, view: &View<'_>) {
        if !(0..2).all(|leg| self.position(view, leg).is_zero()) {
            // The time it was begun is not known for certain: its longest holding counts from here.
            self.phase = Phase::Holding { since: view.now };
        }
    }

    fn maximum_funding_age(&self) -> i64 {
        self.config.max_funding_age_s.seconds()
    }
}
