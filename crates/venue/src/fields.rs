//! Compiled fields: where a value of an event comes from and how its text is read.

use crate::error::{Fault, VenueError};
use crate::merge::Merged;
use crate::numbers;
use crate::path::Path;
use crate::program::{Found, Program, Slot};
use crate::spec::{FieldSpec, KeySpec, TimeUnit};
use kt_model::{Decimal, Nanos};

/// Most keys a mapping may name.
pub(crate) const MOST_KEYS: usize = 12;

/// Values of a frame's keys.
pub(crate) type Keys<'a> = [Option<&'a [u8]>; MOST_KEYS];

/// A part of a text between separators.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    separator: u8,
    from: i32,
    to: Option<i32>,
    whole_prefix: Option<Box<[u8]>>,
}

impl Cut {
    fn new(
        separator: Option<&str>,
        from: i32,
        to: Option<i32>,
        whole: Option<&str>,
    ) -> Result<Option<Self>, VenueError> {
        let Some(separator) = separator else { return Ok(None) };
        let &[separator] = separator.as_bytes() else {
            return Err(VenueError::mapping(format!("`split = \"{separator}\"` must be one character")));
        };
        Ok(Some(Self { separator, from, to, whole_prefix: whole.map(|text| text.as_bytes().into()) }))
    }

    /// The part, or `None` where the text has too few.
    #[inline]
    pub(crate) fn apply<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        if self.whole_prefix.as_ref().is_some_and(|prefix| text.starts_with(prefix)) {
            return Some(text);
        }
        let parts = text.iter().filter(|byte| **byte == self.separator).count() as i32 + 1;
        let from = if self.from < 0 { parts + self.from } else { self.from };
        let to = self.to.map_or(parts, |to| if to < 0 { parts + to } else { to }).min(parts);
        if from < 0 || from >= to {
            return None;
        }
        let start = self.boundary(text, from);
        let end = if to == parts { text.len() } else { self.boundary(text, to) - 1 };
        text.get(start..end)
    }

    /// Offset at which part `index` begins.
    fn boundary(&self, text: &[u8], index: i32) -> usize {
        let mut seen = 0;
        for (at, byte) in text.iter().enumerate() {
            if seen == index {
                return at;
            }
            seen += i32::from(*byte == self.separator);
        }
        text.len()
    }
}

/// A compiled key of a frame.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) paths: Vec<Path>,
    pub(crate) cut: Option<Cut>,
}

impl Key {
    pub(crate) fn compile(name: &str, spec: &KeySpec) -> Result<Self, VenueError> {
        let paths = spec.path.0.iter().map(|path| Path::parse(path)).collect::<Result<_, _>>()?;
        let cut = Cut::new(spec.split.as_deref(), spec.from, spec.to, spec.whole_prefix.as_deref())?;
        Ok(Self { name: name.to_owned(), paths, cut })
    }
}

/// A text of the mapping.
type Text = Box<[u8]>;

/// Where a field's text stands.
#[derive(Debug)]
enum Source {
    Slot(Slot),
    Key(usize),
    Constant(Box<[u8]>),
}

/// A frame that was scanned, and the row that is read.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) found: &'a Found,
    pub(crate) row: usize,
    pub(crate) keys: &'a Keys<'a>,
    /// Values of earlier frames, where the channel sends only what changed.
    pub(crate) merged: Option<&'a Merged>,
}

/// A compiled field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    sources: Vec<Source>,
    absent: Vec<Box<[u8]>>,
    map: Vec<(Text, Text)>,
    otherwise: Option<Box<[u8]>>,
    unit: TimeUnit,
    cut: Option<Cut>,
}

/// What compiling fields needs.
pub(crate) struct Scope<'m> {
    pub(crate) program: Program,
    pub(crate) key_names: &'m [String],
    pub(crate) time_unit: TimeUnit,
    /// Whether the channel has rows within its payload.
    pub(crate) has_rows: bool,
}

impl Scope<'_> {
    /// Compiles one field.
    pub(crate) fn field(&mut self, name: &'static str, spec: &FieldSpec) -> Result<Field, VenueError> {
        let table = &spec.table;
        let mut sources = Vec::new();
        for path in &table.path.0 {
            sources.push(self.source(path)?);
        }
        sources.extend(table.constant.iter().map(|text| Source::Constant(text.as_bytes().into())));
        let bytes = |text: &String| -> Box<[u8]> { text.as_bytes().into() };
        Ok(Field {
            name,
            sources,
            absent: table.absent.iter().map(bytes).collect(),
            map: table.map.iter().map(|(theirs, ours)| (bytes(theirs), bytes(ours))).collect(),
            otherwise: table.otherwise.as_ref().map(bytes),
            unit: table.unit.unwrap_or(self.time_unit),
            cut: Cut::new(table.split.as_deref(), table.from, table.to, None)?,
        })
    }

    /// Compiles a field that may be left out of the mapping.
    pub(crate) fn option(&mut self, name: &'static str, spec: Option<&FieldSpec>) -> Result<Option<Field>, VenueError> {
        spec.map(|spec| self.field(name, spec)).transpose()
    }

    fn source(&mut self, path: &str) -> Result<Source, VenueError> {
        if let Some(key) = path.strip_prefix('@') {
            let index = self.key_names.iter().position(|name| name == key);
            return index.map(Source::Key).ok_or_else(|| VenueError::mapping(format!("no key `{key}` for `{path}`")));
        }
        match path.strip_prefix('/') {
            Some(root) if self.has_rows => self.program.root_slot(&Path::parse(root)?).map(Source::Slot),
            Some(root) => self.program.row_slot(&Path::parse(root)?).map(Source::Slot),
            None => self.program.row_slot(&Path::parse(path)?).map(Source::Slot),
        }
    }
}

impl Field {
    /// A field that never has a value.
    pub(crate) fn nothing() -> Self {
        Self {
            name: "nothing",
            sources: Vec::new(),
            absent: Vec::new(),
            map: Vec::new(),
            otherwise: None,
            unit: TimeUnit::Milliseconds,
            cut: None,
        }
    }

    /// The mapped text, or `None` where there is none.
    #[inline]
    pub(crate) fn text<'a>(&'a self, context: &Context<'a>) -> Option<&'a [u8]> {
        let mut text = None;
        for source in &self.sources {
            text = match source {
                Source::Slot(slot) => slot_text(*slot, context),
                Source::Key(index) => context.keys[*index],
                Source::Constant(text) => Some(&**text),
            };
            if let Some(found) = text {
                if found.is_empty() || self.absent.iter().any(|absent| **absent == *found) {
                    text = None;
                } else {
                    break;
                }
            }
        }
        let mut text = text?;
        if let Some(cut) = &self.cut {
            text = cut.apply(text)?;
        }
        if self.map.is_empty() {
            return Some(text);
        }
        let mapped = self.map.iter().find(|(theirs, _)| **theirs == *text).map(|(_, ours)| &**ours);
        // A text that the map does not know stays itself, so that it is refused by its reader.
        Some(mapped.or(self.otherwise.as_deref()).unwrap_or(text))
    }

    /// Whether this frame itself (not an earlier one) has the field.
    pub(crate) fn is_fresh(&self, context: &Context<'_>) -> bool {
        self.text(&Context { merged: None, ..*context }).is_some()
            && self.sources.iter().any(|source| matches!(source, Source::Slot(_)))
    }

    /// As UTF-8 text; empty where absent.
    pub(crate) fn string<'a>(&'a self, context: &Context<'a>) -> Result<&'a str, Fault> {
        let text = self.text(context).unwrap_or_default();
        std::str::from_utf8(text).map_err(|_| Fault::Invalid(self.name))
    }

    /// An exact decimal, if present.
    #[inline]
    pub(crate) fn decimal<const SCALE: u32>(&self, context: &Context<'_>) -> Result<Option<Decimal<SCALE>>, Fault> {
        match self.text(context) {
            Some(text) => numbers::decimal(text).map(Some).ok_or(Fault::Number(self.name)),
            None => Ok(None),
        }
    }

    /// An exact decimal that must be there.
    #[inline]
    pub(crate) fn required<const SCALE: u32>(&self, context: &Context<'_>) -> Result<Decimal<SCALE>, Fault> {
        self.decimal(context)?.ok_or(Fault::Missing(self.name))
    }

    /// A whole number, if present.
    #[inline]
    pub(crate) fn number(&self, context: &Context<'_>) -> Result<Option<u64>, Fault> {
        match self.text(context) {
            Some(text) => numbers::unsigned(text).map(Some).ok_or(Fault::Invalid(self.name)),
            None => Ok(None),
        }
    }

    /// A moment, or a length of time, if present.
    #[inline]
    pub(crate) fn time(&self, context: &Context<'_>) -> Result<Option<Nanos>, Fault> {
        match self.text(context) {
            Some(text) => numbers::time(text, self.unit).map(Some).ok_or(Fault::Invalid(self.name)),
            None => Ok(None),
        }
    }
}

#[inline]
fn slot_text<'a>(slot: Slot, context: &Context<'a>) -> Option<&'a [u8]> {
    let span = context.found.get(slot, context.row);
    if !span.is_absent() {
        return Some(span.of(context.bytes));
    }
    match (slot, context.merged) {
        (Slot::Row(index), Some(merged)) => merged.get(usize::from(index)),
        _ => None,
    }
}

/// Reads an optional field of the mapping: absent from the mapping is absent from the event.
pub(crate) fn decimal<const SCALE: u32>(
    field: &Option<Field>,
    context: &Context<'_>,
) -> Result<Option<Decimal<SCALE>>, Fault> {
    field.as_ref().map_or(Ok(None), |field| field.decimal(context))
}

/// As [`decimal`], for whole numbers.
pub(crate) fn number(field: &Option<Field>, context: &Context<'_>) -> Result<Option<u64>, Fault> {
    field.as_ref().map_or(Ok(None), |field| field.number(context))
}

/// As [`decimal`], for times.
pub(crate) fn time(field: &Option<Field>, context: &Context<'_>) -> Result<Option<Nanos>, Fault> {
    field.as_ref().map_or(Ok(None), |field| field.time(context))
}

/// Reads a text that must be one of an enumeration's names.
pub(crate) fn choice<T>(
    field: &Field,
    context: &Context<'_>,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<T, Fault> {
    let text = field.text(context).ok_or(Fault::Missing(field.name))?;
    std::str::from_utf8(text).ok().and_then(from_name).ok_or(Fault::Invalid(field.name))
}
