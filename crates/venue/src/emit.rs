//! The events of one row.

use crate::catalogue::InstrumentInfo;
use crate::channel::Channel;
use crate::counters::Counters;
use crate::decode;
use crate::error::Fault;
use crate::fields::Context;
use crate::occurrence::mix;
use crate::sink::Sink;
use crate::state::{InstrumentState, status};
use kt_model::{Decimal, Event, Header, Label, Nanos, Side, State, Status, Trade};

/// A row that is emitted, and where its state is.
pub(crate) struct Emission<'a> {
    pub(crate) channel: &'a Channel,
    pub(crate) info: &'a InstrumentInfo,
    pub(crate) header: Header<'a>,
    pub(crate) state: usize,
    pub(crate) index: usize,
    /// Trade channels that the subscription chose; empty where it is not known.
    pub(crate) chosen: &'a [usize],
}

fn optional<const SCALE: u32>(hash: u64, values: &[Option<Decimal<SCALE>>]) -> u64 {
    values.iter().fold(hash, |hash, value| mix(hash, value.map_or(i128::MIN, |value| value.0)))
}

impl<'a> Emission<'a> {
    /// Emits every event the row holds, books apart.
    #[inline]
    pub(crate) fn emit<S: Sink + ?Sized>(
        &self,
        context: &Context<'_>,
        state: &mut InstrumentState,
        counters: &mut Counters,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let (channel, info, header) = (self.channel, self.info, self.header);
        if let Some(map) = &channel.trade {
            self.trade(map, context, state, counters, sink)?;
        }
        let occurrences = &mut state.channels[self.state].occurrences;
        if let Some(map) = &channel.quote
            && let Some(mut row) = decode::quote(map, context, header, info)?
        {
            let values = [row.bid_price, row.bid_quantity, row.ask_price, row.ask_quantity];
            row.header.occurrence = occurrences.number(&header, || optional(1, &values), counters);
            sink.event(&Event::Quote(row));
        }
        if let Some(map) = &channel.candle {
            let mut row = decode::candle(map, context, header, info)?;
            let values = [row.open, row.high, row.low, row.close, row.volume].map(Some);
            let seed = mix(2 + u64::from(row.closed), i128::from(row.open_ts.0));
            row.header.occurrence = occurrences.number(&header, || optional(seed, &values), counters);
            sink.event(&Event::Candle(row));
        }
        if let Some(map) = &channel.mark
            && let Some(mut row) = decode::mark(map, context, header)?
        {
            let values = [row.mark_price, row.index_price, row.estimated_settle_price];
            row.header.occurrence = occurrences.number(&header, || optional(4, &values), counters);
            sink.event(&Event::Mark(row));
        }
        if let Some(map) = &channel.funding
            && let Some(mut row) = decode::funding(map, context, header, info, &mut state.funding)?
        {
            let seed = mix(5, row.settles_at.map_or(0, |at| i128::from(at.0)));
            let values = [row.rate, row.absolute_rate];
            row.header.occurrence = occurrences.number(&header, || optional(seed, &values), counters);
            sink.event(&Event::Funding(row));
        }
        if let Some(map) = &channel.open_interest
            && let Some(mut row) = decode::open_interest(map, context, header, info)?
        {
            let values = [row.quantity, row.value];
            row.header.occurrence = occurrences.number(&header, || optional(6, &values), counters);
            sink.event(&Event::OpenInterest(row));
        }
        if let Some(map) = &channel.liquidation {
            let mut row = decode::liquidation(map, context, header, info)?;
            let values = [Some(row.price), Some(row.quantity), row.average_price];
            let seed = 7 + u64::from(row.side == Side::Buy);
            row.header.occurrence = occurrences.number(&header, || optional(seed, &values), counters);
            sink.event(&Event::Liquidation(row));
        }
        Ok(())
    }

    /// Announces ids that were skipped: they are missing whatever else was said of the time before.
    fn note_hole<S: Sink + ?Sized>(&self, row: &Trade<'_>, last: &mut Option<(u64, Nanos)>, sink: &mut S) {
        let Ok(id) = row.trade_id.parse::<u64>() else { return };
        let (before, since) = last.unwrap_or((id.saturating_sub(1), row.header.event_ts));
        if id <= before {
            return;
        }
        *last = Some((id, row.header.event_ts));
        let missing = id - before - 1;
        if missing > 0 {
            sink.event(&Event::Status(Status {
                affected: Label("trade"),
                from_ts: Some(since),
                to_ts: Some(row.header.event_ts),
                first_missing: Some(before + 1),
                last_missing: Some(id - 1),
                missing: Some(missing),
                ..status(self.header, State::Gap, "sequence")
            }));
        }
    }

    fn trade<S: Sink + ?Sized>(
        &self,
        map: &crate::channel::TradeMap,
        context: &Context<'_>,
        state: &mut InstrumentState,
        counters: &mut Counters,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let Some(mut row) = decode::trade(map, context, self.header, self.info)? else {
            counters.skipped_rows += 1;
            return Ok(());
        };
        // One canonical channel a market: what the subscription chose, else the first in the
        // mapping's order of those that were seen.
        let canonical = match self.chosen {
            [] => *state.trade_channel.insert(state.trade_channel.map_or(self.index, |seen| seen.min(self.index))),
            chosen => chosen.iter().copied().min().unwrap_or(self.index),
        };
        if canonical != self.index {
            counters.other_trade_channel += 1;
            return Ok(());
        }
        if map.contiguous {
            self.note_hole(&row, &mut state.channels[self.state].last_trade, sink);
        }
        let values = [Some(row.price), Some(row.quantity)];
        let seed = 9 + u64::from(row.side == Side::Buy);
        let occurrences = &mut state.channels[self.state].occurrences;
        row.header.occurrence = occurrences.number(&self.header, || optional(seed, &values), counters);
        sink.event(&Event::Trade(row));
        Ok(())
    }
}
