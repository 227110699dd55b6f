//! A whole mapping, compiled.

use crate::channel::{Channel, When, named};
use crate::error::{Fault, VenueError};
use crate::fields::{Key, Keys, MOST_KEYS};
use crate::history::History;
use crate::label::Label;
use crate::path::{self, Step};
use crate::reference::Reference;
use crate::scan::{Cursor, Span};
use crate::spec::{
    ConnectionSpec, ControlKind, Encoding, MappingSpec, RestLimitSpec, SegmentSpec, SubscribeSpec, UnitSpec,
};
use crate::symbol::SymbolRule;
use kt_model::{InstrumentType, QuantityUnit};

/// A frame that carries no market data.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) kind: ControlKind,
    pub(crate) when: When,
    pub(crate) answer: Option<Label>,
    pub(crate) detail: Option<usize>,
}

/// One exchange: compiled from its TOML file, shared by all sessions.
#[derive(Debug)]
pub struct Mapping {
    pub(crate) venue: String,
    title: String,
    documentation: String,
    pub(crate) revision: u32,
    pub(crate) connection: ConnectionSpec,
    pub(crate) segments: Vec<SegmentSpec>,
    pub(crate) subscribe: SubscribeSpec,
    pub(crate) encoding: Encoding,
    /// Answer to our ping that is not JSON.
    pub(crate) pong: Option<Box<[u8]>>,
    keys: Vec<Key>,
    wrapper: Option<Box<[u8]>>,
    payload: Option<Box<[u8]>>,
    enough: Vec<usize>,
    pub(crate) labels: Vec<Label>,
    pub(crate) names: Vec<Label>,
    pub(crate) controls: Vec<Control>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) symbols: Vec<SymbolRule>,
    pub(crate) references: Vec<Reference>,
    pub(crate) histories: Vec<History>,
    pub(crate) rest_limit: RestLimitSpec,
    quantity_units: Vec<(InstrumentType, QuantityUnit)>,
}

/// What a frame's keys say, and where its payload begins.
pub(crate) struct Recognised<'a> {
    pub(crate) keys: Keys<'a>,
    pub(crate) payload: usize,
}

impl Mapping {
    /// Reads and compiles a mapping file.
    ///
    /// # Errors
    /// Names the line and key of what is not understood, or the channel that does not fit together.
    pub fn parse(text: &str) -> Result<Self, VenueError> {
        let spec: MappingSpec = toml::from_str(text).map_err(|error| VenueError::mapping(error.to_string()))?;
        let within = |error: VenueError| VenueError::mapping(format!("mapping `{}`: {}", spec.venue, error.message));
        Self::compile(&spec, xxhash_rust::xxh3::xxh3_64(text.as_bytes()) as u32).map_err(within)
    }

    fn compile(spec: &MappingSpec, revision: u32) -> Result<Self, VenueError> {
        let keys: Vec<Key> = spec.keys.iter().map(|(name, key)| Key::compile(name, key)).collect::<Result<_, _>>()?;
        if keys.len() > MOST_KEYS {
            return Err(VenueError::mapping(format!("more than {MOST_KEYS} keys")));
        }
        let names: Vec<String> = keys.iter().map(|key| key.name.clone()).collect();
        let position = |name: &String| {
            let at = names.iter().position(|other| other == name);
            at.ok_or_else(|| VenueError::mapping(format!("no key `{name}`")))
        };
        let labels = spec.frame.labels.iter().map(|text| Label::parse(text, &names)).collect::<Result<_, _>>()?;
        let channel_names = if spec.frame.names.is_empty() { &spec.frame.labels } else { &spec.frame.names };
        let channel_names = channel_names.iter().map(|text| Label::parse(text, &names)).collect::<Result<_, _>>()?;
        let mut controls = Vec::new();
        for control in &spec.controls {
            controls.push(Control {
                kind: control.kind,
                when: When::compile(&control.when, &names)?,
                answer: control.answer.as_ref().map(|text| Label::parse(text, &names)).transpose()?,
                detail: control.detail.as_ref().map(position).transpose()?,
            });
        }
        let unit = spec.frame.time_unit;
        let channels = spec.channels.iter().map(|channel| Channel::compile(channel, &names, unit));
        let bytes = |text: &String| -> Box<[u8]> { text.as_bytes().into() };
        let mapping = Self {
            venue: spec.venue.clone(),
            title: spec.title.clone(),
            documentation: spec.documentation.clone(),
            revision,
            connection: spec.connection.clone(),
            segments: spec.segments.clone(),
            subscribe: spec.subscribe.clone(),
            encoding: spec.frame.encoding,
            pong: spec.connection.ping.as_ref().and_then(|ping| ping.answer.as_ref()).map(bytes),
            wrapper: spec.frame.wrapper.as_ref().map(bytes),
            payload: spec.frame.payload.as_ref().map(bytes),
            enough: spec.frame.enough.iter().map(position).collect::<Result<_, _>>()?,
            labels,
            names: channel_names,
            controls,
            channels: channels.collect::<Result<_, _>>()?,
            symbols: spec.symbols.iter().map(SymbolRule::compile).collect::<Result<_, _>>()?,
            references: spec.references.iter().map(Reference::compile).collect::<Result<_, _>>()?,
            histories: spec
                .histories
                .iter()
                .map(|history| History::compile(history, unit))
                .collect::<Result<_, _>>()?,
            rest_limit: (spec.rest.clone()).unwrap_or(RestLimitSpec { weight_per_minute: 60, used_header: None }),
            quantity_units: quantity_units(&spec.frame.quantity_unit)?,
            keys,
        };
        mapping.check_segments(spec)?;
        Ok(mapping)
    }

    fn check_segments(&self, spec: &MappingSpec) -> Result<(), VenueError> {
        let used = (spec.channels.iter().flat_map(|channel| &channel.segments))
            .chain(spec.references.iter().map(|reference| &reference.segment))
            .chain(spec.symbols.iter().flat_map(|rule| &rule.segments))
            .chain(spec.histories.iter().flat_map(|history| &history.segments));
        for name in used {
            self.segment(name)?;
        }
        if self.segments.is_empty() { Err(VenueError::mapping("no segment")) } else { Ok(()) }
    }

    /// The venue's name in every event.
    #[must_use]
    pub fn venue(&self) -> &str {
        &self.venue
    }

    /// The venue's name for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where the exchange documents its protocol.
    #[must_use]
    pub fn documentation(&self) -> &str {
        &self.documentation
    }

    /// Revision of the mapping: a hash of its file, the `mapping` column of every event.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Names of the market segments, in the file's order.
    pub fn segment_names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(|segment| segment.name.as_str())
    }

    pub(crate) fn segment(&self, name: &str) -> Result<&SegmentSpec, VenueError> {
        self.segments.iter().find(|segment| segment.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.segment_names().collect();
            VenueError::unknown(format!("{} has no segment `{name}`: use one of {}", self.venue, names.join(", ")))
        })
    }

    /// The segment whose WebSocket address this is, by its path where hosts are shared.
    #[must_use]
    pub fn segment_of_url(&self, url: &str) -> Option<&str> {
        let tail = |url: &str| url.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
        let wanted = tail(url);
        let found = self.segments.iter().find(|segment| tail(&segment.websocket) == wanted);
        let path = |url: &str| tail(url).splitn(4, '/').nth(3).unwrap_or_default().to_owned();
        let found = found.or_else(|| self.segments.iter().find(|segment| path(&segment.websocket) == path(url)));
        found.map(|segment| segment.name.as_str())
    }

    /// The unit in which the venue counts quantities of such contracts.
    #[must_use]
    pub fn quantity_unit(&self, of: InstrumentType) -> QuantityUnit {
        self.quantity_units.iter().find(|(kind, _)| *kind == of).map_or(QuantityUnit::Base, |(_, unit)| *unit)
    }

    /// Reads the keys of a frame, no further than needed.
    #[inline]
    pub(crate) fn recognise<'a>(&self, bytes: &'a [u8]) -> Result<Recognised<'a>, Fault> {
        let mut recognised = Recognised { keys: [None; MOST_KEYS], payload: 0 };
        let mut cursor = Cursor::new(bytes, 0);
        if cursor.peek()? != b'{' {
            for (index, key) in self.keys.iter().enumerate() {
                self.read_key(index, key, bytes, None, &mut recognised.keys)?;
            }
            return Ok(recognised);
        }
        if !cursor.enter(b'{', b'}')? {
            return Ok(recognised);
        }
        loop {
            let name = cursor.string()?.of(bytes);
            cursor.expect(b':')?;
            cursor.peek()?;
            let at = cursor.at;
            let is_wrapper = self.wrapper.as_deref() == Some(name);
            if is_wrapper {
                recognised.payload = at;
            }
            if (is_wrapper || self.payload.as_deref() == Some(name))
                && self.enough.iter().all(|key| recognised.keys[*key].is_some())
            {
                break;
            }
            for (index, key) in self.keys.iter().enumerate() {
                self.read_key(index, key, bytes, Some((name, at)), &mut recognised.keys)?;
            }
            cursor.skip()?;
            if !cursor.more(b'}')? {
                break;
            }
        }
        Ok(recognised)
    }

    /// Sets key `index` if one of its paths begins at this member (or, in an array frame, anywhere).
    #[inline]
    fn read_key<'a>(
        &self,
        index: usize,
        key: &Key,
        bytes: &'a [u8],
        member: Option<(&[u8], usize)>,
        keys: &mut Keys<'a>,
    ) -> Result<(), Fault> {
        if keys[index].is_some() {
            return Ok(());
        }
        for path in &key.paths {
            let span = match (member, path.0.split_first()) {
                (Some((name, at)), Some((Step::Key(first), []))) if **first == *name => {
                    let mut cursor = Cursor::new(bytes, at);
                    if matches!(cursor.peek()?, b'{' | b'[') { Span::new(at, at + 1) } else { cursor.scalar()? }
                }
                (Some((name, at)), Some((Step::Key(first), rest))) if **first == *name => path::find(rest, bytes, at)?,
                (None, Some((Step::Index(_) | Step::FromEnd(_), _))) => path.find(bytes, 0)?,
                _ => continue,
            };
            if !span.is_absent() && !span.of(bytes).is_empty() {
                keys[index] = match &key.cut {
                    Some(cut) => cut.apply(span.of(bytes)),
                    None => Some(span.of(bytes)),
                };
                return Ok(());
            }
        }
        Ok(())
    }
}

fn quantity_units(spec: &UnitSpec) -> Result<Vec<(InstrumentType, QuantityUnit)>, VenueError> {
    let unit = |name: &str| named("quantity unit", name, QuantityUnit::from_name);
    match spec {
        UnitSpec::One(name) => {
            let unit = unit(name)?;
            Ok(InstrumentType::ALL.iter().map(|kind| (*kind, unit)).collect())
        }
        UnitSpec::ByType(by_type) => (by_type.iter())
            .map(|(kind, name)| Ok((named("instrument type", kind, InstrumentType::from_name)?, unit(name)?)))
            .collect(),
    }
}
