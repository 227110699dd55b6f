//! Reading one answer of a history resource.

use super::History;
use crate::catalogue::InstrumentInfo;
use crate::decode::{self, FundingMemory};
use crate::error::{ErrorKind, Fault, VenueError};
use crate::fields::{self, Context, MOST_KEYS};
use crate::mapping::Mapping;
use crate::numbers;
use crate::program::Found;
use kt_model::{Event, Header, IntervalSource, Label, Nanos, Origin};

/// What is the same for all rows of an answer.
pub(super) struct Reading<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) history: &'a History,
    pub(super) info: &'a InstrumentInfo,
    pub(super) body: &'a [u8],
    pub(super) recv_ts: Nanos,
}

/// Where a row stands: what paging and the checks of a page rest on.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowPlace {
    /// What the venue pages by: a candle's start, any other row's time.
    pub(super) at: Nanos,
    pub(super) event_ts: Nanos,
    /// Id of a trade, where it is a number.
    pub(super) id: Option<u64>,
}

impl<'a> Reading<'a> {
    /// Finds the rows.
    pub(super) fn scan(&self, found: &mut Found) -> Result<usize, VenueError> {
        self.check_success()?;
        if self.is_empty_list() {
            return Ok(0);
        }
        let end = self.history.channel.program.scan(self.body, 0, found).map_err(|fault| self.wrong(&fault))?;
        if self.body.get(end..).is_some_and(|rest| rest.iter().any(|byte| !byte.is_ascii_whitespace())) {
            return Err(self.malformed("is followed by something else"));
        }
        Ok(found.rows())
    }

    /// The answer's own word on whether it is one.
    fn check_success(&self) -> Result<(), VenueError> {
        let Some(success) = &self.history.success else { return Ok(()) };
        let code = success.path.find(self.body, 0).map_err(|fault| self.wrong(&fault))?;
        let code = String::from_utf8_lossy(code.of(self.body)).into_owned();
        if code == success.equals {
            return Ok(());
        }
        let message = success.message.find(self.body, 0).map(|span| span.of(self.body)).unwrap_or_default();
        let text = format!("answered {code}: {}", String::from_utf8_lossy(message));
        if success.busy.contains(&code) {
            return Err(VenueError::of(ErrorKind::Busy, self.named(&text)));
        }
        Err(self.malformed(&text))
    }

    /// Positional rows cannot be told from an empty list of them by the scan.
    fn is_empty_list(&self) -> bool {
        let list = self.history.rows.find(self.body, 0).map(|span| span.of(self.body)).unwrap_or_default();
        list.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).eq(*b"[]")
    }

    fn context<'f>(&self, found: &'f Found, row: usize) -> Context<'f>
    where
        'a: 'f,
    {
        Context { bytes: self.body, found, row, keys: &[None; MOST_KEYS], merged: None }
    }

    /// Where a row stands, without decoding the rest of it.
    pub(super) fn place(&self, found: &Found, row: usize) -> Result<RowPlace, VenueError> {
        let context = self.context(found, row);
        if let Some(symbol) = self.history.symbol.as_ref().and_then(|field| field.text(&context))
            && symbol != self.info.symbol.as_bytes()
        {
            return Err(self.malformed(&format!("is of {}", String::from_utf8_lossy(symbol))));
        }
        let channel = &self.history.channel;
        let times = match (&channel.candle, &channel.event_time) {
            (Some(map), _) => decode::candle(map, &context, self.header(Nanos(0), None), self.info)
                .map(|row| (row.open_ts, row.header.event_ts)),
            (None, field) => fields::time(field, &context)
                .and_then(|time| time.ok_or(Fault::Missing("time.event")))
                .map(|time| time.truncate(channel.precision))
                .map(|time| (time, time)),
        };
        let (at, event_ts) = times.map_err(|fault| self.wrong(&fault))?;
        let id = channel.trade.as_ref().and_then(|map| map.id.as_ref()).and_then(|field| field.text(&context));
        Ok(RowPlace { at, event_ts, id: id.and_then(numbers::unsigned) })
    }

    /// Decodes a row and hands it on; `false` where the mapping says that it is none.
    pub(super) fn emit(
        &self,
        found: &Found,
        (row, place): (usize, RowPlace),
        memory: &mut FundingMemory,
        sink: &mut dyn FnMut(&Event<'_>),
    ) -> Result<bool, VenueError> {
        self.decode(found, (row, place), memory, sink).map_err(|fault| self.wrong(&fault))
    }

    fn decode(
        &self,
        found: &Found,
        (row, place): (usize, RowPlace),
        memory: &mut FundingMemory,
        sink: &mut dyn FnMut(&Event<'_>),
    ) -> Result<bool, Fault> {
        let (channel, context) = (&self.history.channel, self.context(found, row));
        let exchange = fields::time(&channel.exchange_time, &context)?;
        let header = self.header(place.event_ts, exchange);
        if let Some(map) = &channel.trade {
            let Some(trade) = decode::trade(map, &context, header, self.info)? else { return Ok(false) };
            sink(&Event::Trade(trade));
        }
        if let Some(map) = &channel.candle {
            sink(&Event::Candle(decode::candle(map, &context, header, self.info)?));
        }
        if let Some(map) = &channel.funding {
            // The interval of today's reference data says nothing of the past: only the step between two settlements.
            let info = InstrumentInfo { funding_interval_seconds: None, ..self.info.clone() };
            let Some(mut funding) = decode::funding(map, &context, header, &info, memory)? else { return Ok(false) };
            let longest = self.history.longest_interval.unwrap_or(u32::MAX);
            if funding.interval_seconds.is_some_and(|seconds| seconds > longest) {
                (funding.interval_seconds, funding.interval_source) = (None, IntervalSource::Unknown);
            }
            sink(&Event::Funding(funding));
            // A hole must not become the interval of the rows behind it.
            *memory = FundingMemory::settled_at(funding.settles_at);
        }
        Ok(true)
    }

    fn header(&self, event_ts: Nanos, exch_ts: Option<Nanos>) -> Header<'a> {
        Header {
            publish_ts: Nanos(0),
            counter: 0,
            epoch: 0,
            writer: Label(""),
            venue: Label(&self.mapping.venue),
            instrument: Label(&self.info.id),
            channel: Label(&self.history.channel.name),
            event_ts,
            exch_ts,
            sent_ts: None,
            recv_ts: self.recv_ts,
            origin: Origin::Backfill,
            connection: 0,
            line: 0,
            mapping: self.mapping.revision,
            identity: self.history.channel.identity,
            occurrence: 0,
        }
    }

    fn named(&self, text: &str) -> String {
        format!("{} `{}` of {} {text}", self.mapping.venue, self.history.channel.name, self.info.symbol)
    }

    /// The answer is not what the venue documents.
    pub(super) fn malformed(&self, text: &str) -> VenueError {
        VenueError::malformed(self.named(text))
    }

    fn wrong(&self, fault: &Fault) -> VenueError {
        let begin = String::from_utf8_lossy(&self.body[..self.body.len().min(160)]).into_owned();
        self.malformed(&format!("is no such list: {fault}; it begins {begin}"))
    }
}
