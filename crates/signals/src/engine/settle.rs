//! Sampling, computing, and stating what changed.

use kt_model::Nanos;

use super::{Engine, Sink};
use crate::definition::Definition;
use crate::feature::Feature;
use crate::input::Position;
use crate::market::Market;
use crate::output::{Computed, Output};

impl Engine {
    pub(super) fn settle_all<S: Sink>(&mut self, emit: &mut Emit<'_, S>) {
        for at in 0..self.instances.len() {
            self.settle(at, emit);
        }
    }

    /// Samples whose interval has ended, before the input takes effect.
    pub(super) fn take_samples<S: Sink>(&mut self, emit: &mut Emit<'_, S>) {
        for index in 0..self.sampled.len() {
            let at = self.sampled[index];
            let definition = self.instances[at].definition;
            if self.instances[at].is_due(&self.definitions[definition], emit.now) {
                let of = self.value_of(at, emit.now);
                self.instances[at].sample(&self.definitions[definition], &self.markets, of, emit.now);
                self.settle(at, emit);
            }
        }
    }

    /// The value of the signal that another is computed from.
    fn value_of(&mut self, at: usize, now: Nanos) -> Option<Computed> {
        let of = self.instances[at].of?;
        let before = self.value_of(of, now);
        let base = &mut self.instances[of];
        let declared = &self.definitions[base.definition];
        Some(base.compute(declared, &self.markets, before, now))
    }

    /// Computes a signal and states it when the policy says so: at once when its validity or reason
    /// changes, and at most every `every_ms` while only its value does.
    pub(super) fn settle<S: Sink>(&mut self, at: usize, emit: &mut Emit<'_, S>) {
        let of = self.value_of(at, emit.now);
        let instance = &mut self.instances[at];
        let declared = &self.definitions[instance.definition];
        let computed = instance.compute(declared, &self.markets, of, emit.now);
        let is_news = match (&instance.stated, &computed) {
            (None, _) => true,
            (Some(Ok(before)), Ok(value)) => {
                before.to_bits() != value.to_bits() && emit.now.0 - instance.stated_at >= declared.every
            }
            (Some(Err(before)), Err(reason)) => before != reason,
            _ => true,
        };
        if !is_news {
            return;
        }
        instance.stated = Some(computed);
        instance.stated_at = emit.now.0;
        let [first, second] = instance.legs.map(|leg| &self.markets[leg]);
        let has_second = instance.legs[0] != instance.legs[1];
        emit.sink.signal(&Output {
            instance: at,
            name: &declared.name,
            feature: declared.feature.as_str(),
            leg: (&first.venue, &first.instrument),
            other: if has_second { (&second.venue, &second.instrument) } else { ("", "") },
            at: emit.now,
            input: emit.input,
            cause: emit.cause,
            computed,
            ages: [age(first, declared, emit.now), has_second.then(|| age(second, declared, emit.now)).flatten()],
            configuration: emit.configuration,
        });
    }
}

/// What all outputs of one input have in common, and where they go.
pub(super) struct Emit<'a, S> {
    pub input: u64,
    pub now: Nanos,
    pub cause: Option<Position<'a>>,
    pub configuration: u64,
    pub sink: &'a mut S,
}

fn age(market: &Market, declared: &Definition, now: Nanos) -> Option<u64> {
    match declared.feature {
        Feature::BookImbalance => market.age_of_book(now),
        Feature::TradeImbalance | Feature::Vwap => market.age(now),
        Feature::FundingApr => market.age_of_funding(now),
        _ => market.age_of_best(declared.top, now),
    }
}
