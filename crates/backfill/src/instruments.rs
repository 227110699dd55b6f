//! The venue's instruments: by which symbol and in which segment an instrument's past is asked for.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kt_model::{Event, Nanos};
use kt_venue::{Catalogue, InstrumentInfo, Mapping, Mode, Stamp};

use crate::source::Source;
use crate::{BackfillError, ErrorKind};

/// Pages of one list; a cursor that never ends is a fault of the venue.
const MOST_PAGES: usize = 100;
/// What a request for a list is taken to cost.
const LIST_WEIGHT: u32 = 20;

/// Instruments as the venue lists them now.
pub(crate) struct Instruments {
    mapping: Arc<Mapping>,
    catalogue: Catalogue,
}

impl Instruments {
    /// Reads the venue's lists. A list that cannot be had, or is none, is an error: nothing is guessed.
    pub async fn fetch(mapping: &Arc<Mapping>, source: &Source) -> Result<Self, BackfillError> {
        let mut catalogue = Catalogue::new(mapping);
        for segment in mapping.segment_names() {
            let (_, rest) = mapping.addresses(segment)?;
            for list in mapping.references(segment, Mode::Full)? {
                let mut url = list.url.clone();
                let mut pages = 0;
                loop {
                    let body = source.get(&url, LIST_WEIGHT).await?;
                    let sink = &mut |_: &Event<'_>| {};
                    let read = catalogue.read(mapping, &list.name, &body, now(), Stamp::default(), sink)?;
                    pages += 1;
                    match read.next_page {
                        Some(page) if pages < MOST_PAGES => url = format!("{rest}{page}"),
                        Some(_) => {
                            let message = format!("source wrong: {} has more than {MOST_PAGES} pages", list.name);
                            return Err(BackfillError::new(ErrorKind::Wrong, message));
                        }
                        None => break,
                    }
                }
            }
        }
        Ok(Self { mapping: mapping.clone(), catalogue })
    }

    /// Segment and description of an instrument, by canonical id or symbol.
    pub fn find(&self, name: &str) -> Option<(String, InstrumentInfo)> {
        self.all().find(|(_, info)| *info.id == *name || info.symbol.eq_ignore_ascii_case(name))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (String, InstrumentInfo)> {
        let segments = self.mapping.segment_names();
        segments.flat_map(|segment| {
            let mut listed: Vec<_> =
                self.catalogue.instruments(segment).map(|info| (segment.to_owned(), info.clone())).collect();
            listed.sort_by(|one, other| one.1.id.cmp(&other.1.id));
            listed
        })
    }
}

/// Now, by this machine's clock.
pub(crate) fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
