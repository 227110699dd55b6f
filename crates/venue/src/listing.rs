//! Reading instrument lists and funding interval lists into a catalogue, as events.

use crate::catalogue::{Catalogue, InstrumentInfo};
use crate::error::VenueError;
use crate::label::fill;
use crate::mapping::Mapping;
use crate::numbers::MOST_DIGITS;
use crate::reference::{InstrumentMap, Reference, RowField};
use crate::sink::Sink;
use crate::symbol::Parts;
use kt_model::instrument::{split_multiplier, surrogate};
use kt_model::{
    Decimal, Event, Header, IdentityClass, Instrument, InstrumentStatus, InstrumentType, Label, Nanos, OptionSide,
    Origin, Payoff, Quantity,
};

/// Which connection a row is said to come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamp {
    /// Connection of the writer's epoch, from 1.
    pub connection: u32,
    /// Redundant line, 0 = A.
    pub line: u8,
}

/// What a list held.
#[derive(Clone, Debug, Default)]
pub struct ListReport {
    /// Rows of the response.
    pub rows: usize,
    /// Instruments, or intervals, taken over.
    pub taken: usize,
    /// Symbols of rows that the mapping cannot name, such as contracts in preparation.
    pub skipped: Vec<String>,
    /// Path and query of the next page, where the list goes on.
    pub next_page: Option<String>,
}

impl Catalogue {
    /// Takes in the response to the reference request `name`. Every listed instrument becomes an
    /// [`Instrument`] event. A response that is not the list changes nothing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unknown`] for a name the mapping does not have, `Malformed` for a body that
    /// is not the documented list.
    pub fn read<S: Sink + ?Sized>(
        &mut self,
        mapping: &Mapping,
        name: &str,
        body: &[u8],
        recv_ts: Nanos,
        stamp: Stamp,
        sink: &mut S,
    ) -> Result<ListReport, VenueError> {
        let reference = mapping.references.iter().find(|reference| reference.name == name);
        let reference = reference
            .ok_or_else(|| VenueError::unknown(format!("{} has no reference list `{name}`", mapping.venue)))?;
        let segment = self
            .segment_index(&reference.segment)
            .ok_or_else(|| VenueError::unknown(format!("no segment `{}`", reference.segment)))?;
        let rows = reference.rows(body)?;
        let mut report = ListReport { rows: rows.len(), ..ListReport::default() };
        for row in rows {
            let taken = match (&reference.instrument, &reference.funding_interval) {
                (Some(map), _) => {
                    let listed = Listed { mapping, map, name, body, row, recv_ts, stamp };
                    listed.take(self, segment, sink)?
                }
                (None, Some((symbol, interval))) => {
                    let seconds = interval.with(body, row, |field, context| field.time(context));
                    let seconds = seconds.ok().flatten().and_then(|time| u32::try_from(time.0 / 1_000_000_000).ok());
                    let symbol = symbol.text(body, row);
                    match seconds.filter(|seconds| *seconds > 0 && !symbol.is_empty()) {
                        Some(seconds) => {
                            self.put_interval(segment, &symbol, seconds);
                            Ok(())
                        }
                        None => Err(symbol),
                    }
                }
                (None, None) => Ok(()),
            };
            match taken {
                Ok(()) => report.taken += 1,
                Err(symbol) => report.skipped.push(symbol),
            }
        }
        report.next_page = next_page(reference, body);
        Ok(report)
    }
}

fn next_page(reference: &Reference, body: &[u8]) -> Option<String> {
    let (path, parameter) = reference.next_page.as_ref()?;
    let cursor = path.find(body, 0).ok()?.of(body);
    let cursor = std::str::from_utf8(cursor).ok().filter(|text| !text.is_empty())?;
    let joint = if reference.request.contains('?') { '&' } else { '?' };
    Some(fill(
        "{request}{joint}{parameter}={cursor}",
        &[("request", &reference.request), ("joint", &joint.to_string()), ("parameter", parameter), ("cursor", cursor)],
    ))
}

/// One row of an instrument list.
struct Listed<'a> {
    mapping: &'a Mapping,
    map: &'a InstrumentMap,
    name: &'a str,
    body: &'a [u8],
    row: usize,
    recv_ts: Nanos,
    stamp: Stamp,
}

impl Listed<'_> {
    fn text(&self, field: &RowField) -> String {
        field.text(self.body, self.row)
    }

    fn decimal(&self, field: &Option<RowField>) -> Option<Quantity> {
        let field = field.as_ref()?;
        let value = field.with(self.body, self.row, |field, context| field.decimal::<18>(context));
        value.ok().flatten().filter(|value: &Quantity| !value.is_zero())
    }

    fn time(&self, field: &Option<RowField>) -> Option<Nanos> {
        let field = field.as_ref()?;
        field.with(self.body, self.row, |field, context| field.time(context)).ok().flatten()
    }

    fn parts(&self) -> Option<Parts> {
        let instrument_type = InstrumentType::from_name(&self.text(&self.map.instrument_type))?;
        let option_side = match &self.map.option_side {
            Some(field) => OptionSide::from_name(&self.text(field)).unwrap_or(OptionSide::None),
            None => OptionSide::None,
        };
        let dated = matches!(instrument_type, InstrumentType::Future | InstrumentType::Option);
        Some(Parts {
            instrument_type,
            payoff: Payoff::from_name(&self.text(&self.map.payoff))?,
            base: self.text(&self.map.base),
            quote: self.text(&self.map.quote),
            settle: self.text(&self.map.settle),
            expiry: self.time(&self.map.expiry).filter(|_| dated),
            strike: self.map.strike.as_ref().map(|field| self.text(field)).filter(|text| !text.is_empty()),
            option_side,
        })
    }

    /// Adds the instrument to the catalogue and emits it; the symbol where it cannot be named.
    fn take<S: Sink + ?Sized>(
        &self,
        catalogue: &mut Catalogue,
        segment: usize,
        sink: &mut S,
    ) -> Result<Result<(), String>, VenueError> {
        let symbol = self.text(&self.map.symbol);
        let Some(parts) = self.parts().filter(|_| !symbol.is_empty()) else { return Ok(Err(symbol)) };
        let Some(id) = InstrumentInfo::canonical(&parts) else { return Ok(Err(symbol)) };
        let venue_status = self.map.status.raw(self.body, self.row);
        let status = InstrumentStatus::from_name(&self.text(&self.map.status)).unwrap_or(InstrumentStatus::Unknown);
        let interval =
            self.time(&self.map.funding_interval).and_then(|time| u32::try_from(time.0 / 1_000_000_000).ok());
        let (tick, lot) = (self.decimal(&self.map.tick_size), self.decimal(&self.map.lot_size));
        let index = catalogue.put(
            segment,
            InstrumentInfo {
                symbol: symbol.as_str().into(),
                id: id.into(),
                instrument_type: parts.instrument_type,
                payoff: parts.payoff,
                base: parts.base.as_str().into(),
                quote: parts.quote.as_str().into(),
                settle: parts.settle.as_str().into(),
                quantity_unit: self.mapping.quantity_unit(parts.instrument_type),
                price_digits: fraction_digits(tick),
                quantity_digits: fraction_digits(lot),
                funding_interval_seconds: interval.filter(|seconds| *seconds > 0),
                status,
                is_listed: true,
            },
        )?;
        let info = catalogue.get(index);
        self.emit(info, &parts, &venue_status, sink);
        Ok(Ok(()))
    }

    fn emit<S: Sink + ?Sized>(&self, info: &InstrumentInfo, parts: &Parts, venue_status: &str, sink: &mut S) {
        let (multiplier, underlying) = split_multiplier(&info.base);
        let size_unit = self.map.contract_size_unit.as_ref().map(|field| self.text(field)).unwrap_or_default();
        let listed_ts = self.time(&self.map.listed);
        let mut row = Instrument {
            header: self.header(info),
            symbol: &info.symbol,
            instrument_id: surrogate(&self.mapping.venue, &info.symbol, listed_ts),
            content_hash: 0,
            instrument_type: info.instrument_type,
            payoff: info.payoff,
            base: Label(&info.base),
            quote: Label(&info.quote),
            settle: Label(&info.settle),
            underlying: Label(underlying),
            underlying_multiplier: Decimal(i128::from(multiplier) * 1_000_000_000_000_000_000),
            contract_size: self.contract_size(),
            contract_size_unit: Label(&size_unit),
            tick_size: self.decimal(&self.map.tick_size),
            lot_size: self.decimal(&self.map.lot_size),
            minimum_quantity: self.decimal(&self.map.minimum_quantity),
            minimum_notional: self.decimal(&self.map.minimum_notional),
            option_side: parts.option_side,
            strike: self.decimal(&self.map.strike),
            expiry_ts: parts.expiry,
            listed_ts,
            delisted_ts: self.time(&self.map.delisted),
            status: info.status,
            venue_status: Label(venue_status),
            funding_interval_seconds: info.funding_interval_seconds,
        };
        // The header holds the time of the fetch: only the fields after it say what changed.
        let blank = Header { event_ts: Nanos(0), recv_ts: Nanos(0), connection: 0, line: 0, mapping: 0, ..row.header };
        let mut bytes = Vec::new();
        Event::Instrument(Instrument { header: blank, ..row }).encode(&mut bytes);
        row.content_hash = xxhash_rust::xxh3::xxh3_64(&bytes);
        sink.event(&Event::Instrument(row));
    }

    /// Face value of one contract: size times multiplier, exactly.
    fn contract_size(&self) -> Option<Quantity> {
        let size = self.decimal(&self.map.contract_size)?;
        if self.map.contract_multiplier.is_none() {
            return Some(size);
        }
        let multiplier = self.decimal(&self.map.contract_multiplier)?;
        let unit = 1_000_000_000_000_000_000i128;
        let (whole, rest) = (multiplier.0 / unit, multiplier.0 % unit);
        let fraction = (size.0.checked_mul(rest)).filter(|product| product % unit == 0)? / unit;
        size.0.checked_mul(whole)?.checked_add(fraction).map(Decimal)
    }

    fn header<'h>(&'h self, info: &'h InstrumentInfo) -> Header<'h> {
        Header {
            publish_ts: Nanos(0),
            counter: 0,
            epoch: 0,
            writer: Label(""),
            venue: Label(&self.mapping.venue),
            instrument: Label(&info.id),
            channel: Label(self.name),
            event_ts: self.recv_ts,
            exch_ts: None,
            sent_ts: None,
            recv_ts: self.recv_ts,
            origin: Origin::Snapshot,
            connection: self.stamp.connection,
            line: self.stamp.line,
            mapping: self.mapping.revision,
            identity: IdentityClass::Weak,
            occurrence: 0,
        }
    }
}

/// Digits after the point that a step needs.
fn fraction_digits(step: Option<Quantity>) -> u8 {
    let Some(mut units) = step.map(|step| step.0).filter(|units| *units > 0) else { return 0 };
    let mut digits = MOST_DIGITS;
    while digits > 0 && units % 10 == 0 {
        units /= 10;
        digits -= 1;
    }
    digits
}
