//! Compiled instrument lists and funding interval lists.
//!
//! They are read once an hour, so paths are followed one by one instead of in one pass.

use crate::error::VenueError;
use crate::fields::{Context, Field, MOST_KEYS, Scope};
use crate::path::{Path, for_each_element};
use crate::program::{Found, LevelShape, Program};
use crate::scan::Span;
use crate::spec::{FieldSpec, InstrumentSpec, IntervalSpec, ReferenceSpec, TimeUnit};

/// A value of a list's row.
#[derive(Debug)]
pub(crate) struct RowField {
    paths: Vec<Path>,
    /// Reads the text found at the first present path.
    field: Field,
}

impl RowField {
    fn compile(name: &'static str, spec: &FieldSpec) -> Result<Self, VenueError> {
        let paths = spec.table.path.0.iter().map(|path| Path::parse(path)).collect::<Result<_, _>>()?;
        // The one slot of a program without paths of its own holds whichever path was found.
        let mut single = spec.clone();
        single.table.path.0.truncate(1);
        single.table.path.0.iter_mut().for_each(|path| *path = "value".to_owned());
        let program = Program::new(None, LevelShape::default());
        let mut scope = Scope { program, key_names: &[], time_unit: TimeUnit::Milliseconds, has_rows: false };
        Ok(Self { paths, field: scope.field(name, &single)? })
    }

    /// Calls `read` with the field and a context in which its value stands.
    pub(crate) fn with<T>(&self, bytes: &[u8], row: usize, read: impl Fn(&Field, &Context<'_>) -> T) -> T {
        let mut result = None;
        for path in &self.paths {
            let span = path.find(bytes, row).unwrap_or(Span::ABSENT);
            let found = Found::single(span);
            let context = Context { bytes, found: &found, row: 0, keys: &[None; MOST_KEYS], merged: None };
            let present = !span.is_absent() && self.field.text(&context).is_some();
            if present || result.is_none() {
                result = Some(read(&self.field, &context));
            }
            if present {
                break;
            }
        }
        let empty = Found::single(Span::ABSENT);
        let context = Context { bytes, found: &empty, row: 0, keys: &[None; MOST_KEYS], merged: None };
        result.unwrap_or_else(|| read(&self.field, &context))
    }

    /// The text as the venue wrote it; empty where absent.
    pub(crate) fn raw(&self, bytes: &[u8], row: usize) -> String {
        let spans = self.paths.iter().filter_map(|path| path.find(bytes, row).ok());
        let first = spans.map(|span| span.of(bytes)).find(|text| !text.is_empty());
        String::from_utf8_lossy(first.unwrap_or_default()).into_owned()
    }

    /// The mapped text; empty where absent.
    pub(crate) fn text(&self, bytes: &[u8], row: usize) -> String {
        self.with(bytes, row, |field, context| {
            String::from_utf8_lossy(field.text(context).unwrap_or_default()).into_owned()
        })
    }
}

#[derive(Debug)]
pub(crate) struct InstrumentMap {
    pub(crate) symbol: RowField,
    pub(crate) instrument_type: RowField,
    pub(crate) payoff: RowField,
    pub(crate) base: RowField,
    pub(crate) quote: RowField,
    pub(crate) settle: RowField,
    pub(crate) contract_size: Option<RowField>,
    pub(crate) contract_multiplier: Option<RowField>,
    pub(crate) contract_size_unit: Option<RowField>,
    pub(crate) tick_size: Option<RowField>,
    pub(crate) lot_size: Option<RowField>,
    pub(crate) minimum_quantity: Option<RowField>,
    pub(crate) minimum_notional: Option<RowField>,
    pub(crate) option_side: Option<RowField>,
    pub(crate) strike: Option<RowField>,
    pub(crate) expiry: Option<RowField>,
    pub(crate) listed: Option<RowField>,
    pub(crate) delisted: Option<RowField>,
    pub(crate) status: RowField,
    pub(crate) funding_interval: Option<RowField>,
}

/// A compiled list.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) segment: String,
    pub(crate) request: String,
    pub(crate) refresh_seconds: u32,
    pub(crate) modes: Vec<String>,
    pub(crate) next_page: Option<(Path, String)>,
    rows: Path,
    pub(crate) instrument: Option<InstrumentMap>,
    pub(crate) funding_interval: Option<(RowField, RowField)>,
}

impl Reference {
    pub(crate) fn compile(spec: &ReferenceSpec) -> Result<Self, VenueError> {
        let within = |error: VenueError| VenueError::mapping(format!("reference `{}`: {}", spec.name, error.message));
        Self::build(spec).map_err(within)
    }

    fn build(spec: &ReferenceSpec) -> Result<Self, VenueError> {
        let next_page = match &spec.next_page {
            Some(page) => Some((Path::parse(&page.cursor)?, page.parameter.clone())),
            None => None,
        };
        Ok(Self {
            name: spec.name.clone(),
            segment: spec.segment.clone(),
            request: spec.request.clone(),
            refresh_seconds: spec.refresh_seconds,
            modes: spec.modes.clone(),
            next_page,
            rows: Path::parse(&spec.rows)?,
            instrument: spec.instrument.as_ref().map(instrument).transpose()?,
            funding_interval: spec.funding_interval.as_ref().map(interval).transpose()?,
        })
    }

    /// Offsets of the response's rows.
    pub(crate) fn rows(&self, body: &[u8]) -> Result<Vec<usize>, VenueError> {
        let mut offsets = Vec::new();
        let is_list = for_each_element(body, &self.rows, |at| {
            offsets.push(at);
            Ok(())
        });
        match is_list {
            Ok(true) => Ok(offsets),
            Ok(false) => Err(VenueError::malformed(format!(
                "the response to `{}` has no list where the mapping expects it: {}",
                self.name,
                String::from_utf8_lossy(&body[..body.len().min(200)])
            ))),
            Err(fault) => Err(VenueError::malformed(format!("the response to `{}` is {fault}", self.name))),
        }
    }

    /// Whether a request with this path and query is for this list.
    pub(crate) fn answers(&self, url: &str) -> bool {
        let after_host = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
        let (path, query) = after_host.split_once('?').unwrap_or((after_host, ""));
        let (own_path, own_query) = self.request.split_once('?').unwrap_or((&self.request, ""));
        path == own_path
            && own_query.split('&').filter(|wanted| !wanted.is_empty()).all(|wanted| {
                let limits = wanted.starts_with("limit=");
                limits || query.split('&').any(|given| given == wanted)
            })
    }
}

fn option(name: &'static str, spec: &Option<FieldSpec>) -> Result<Option<RowField>, VenueError> {
    spec.as_ref().map(|spec| RowField::compile(name, spec)).transpose()
}

fn interval(spec: &IntervalSpec) -> Result<(RowField, RowField), VenueError> {
    Ok((RowField::compile("symbol", &spec.symbol)?, RowField::compile("interval", &spec.interval)?))
}

fn instrument(spec: &InstrumentSpec) -> Result<InstrumentMap, VenueError> {
    Ok(InstrumentMap {
        symbol: RowField::compile("symbol", &spec.symbol)?,
        instrument_type: RowField::compile("type", &spec.instrument_type)?,
        payoff: RowField::compile("payoff", &spec.payoff)?,
        base: RowField::compile("base", &spec.base)?,
        quote: RowField::compile("quote", &spec.quote)?,
        settle: RowField::compile("settle", &spec.settle)?,
        contract_size: option("contract_size", &spec.contract_size)?,
        contract_multiplier: option("contract_multiplier", &spec.contract_multiplier)?,
        contract_size_unit: option("contract_size_unit", &spec.contract_size_unit)?,
        tick_size: option("tick_size", &spec.tick_size)?,
        lot_size: option("lot_size", &spec.lot_size)?,
        minimum_quantity: option("minimum_quantity", &spec.minimum_quantity)?,
        minimum_notional: option("minimum_notional", &spec.minimum_notional)?,
        option_side: option("option_side", &spec.option_side)?,
        strike: option("strike", &spec.strike)?,
        expiry: option("expiry", &spec.expiry)?,
        listed: option("listed", &spec.listed)?,
        delisted: option("delisted", &spec.delisted)?,
        status: RowField::compile("status", &spec.status)?,
        funding_interval: option("funding_interval", &spec.funding_interval)?,
    })
}
