//! A venue's instrument lists read whole, apart from a running feed: what a history of them is kept from.

use std::collections::HashSet;

use kt_model::{Event, Instrument, Nanos};
use kt_venue::{Catalogue, Mapping, Stamp};

use crate::FeedError;
use crate::clock::{Clock, SystemClock};
use crate::config::VenueConfig;
use crate::lists::{MOST_PAGES, page_address};
use crate::metrics::FeedMetrics;
use crate::rest::Rest;

/// Tries for each page: who asks can ask again in an hour.
const ATTEMPTS: u32 = 3;

/// The answer to one request of a list: a list of several pages has several.
#[derive(Clone, Debug)]
pub struct Page {
    /// The list's name in the mapping.
    pub list: String,
    /// When it was received.
    pub at: Nanos,
    /// What the venue sent.
    pub body: Vec<u8>,
}

/// One list, read.
#[derive(Clone, Debug, Default)]
pub struct ListReading {
    /// Its name in the mapping.
    pub list: String,
    /// When its last page was received.
    pub at: Nanos,
    /// Whether every page was had and every row taken or named in `skipped`.
    pub complete: bool,
    /// Rows that the venue listed.
    pub rows: usize,
    /// Symbols of rows that the mapping cannot name.
    pub skipped: Vec<String>,
    /// Why it is not complete; empty where it is.
    pub problem: String,
}

/// Reads the lists of a venue now. What a list holds is given to `sink` with its place in the answer; of a list
/// that could not be had whole nothing is given.
///
/// # Errors
/// [`FeedError`] for a mapping or configuration that is wrong; a venue that does not answer is told in the readings.
pub async fn read_lists(
    venue: &VenueConfig,
    sink: &mut dyn FnMut(usize, &Instrument<'_>),
) -> Result<Vec<ListReading>, FeedError> {
    let mapping = venue.compile()?;
    let rest = Rest::new(mapping.venue(), venue.requests_per_second, FeedMetrics::default())?;
    let clock = SystemClock::default();
    let (mut pages, mut failed) = (Vec::new(), Vec::new());
    for segment in venue.segments(&mapping) {
        let named = |error: kt_venue::VenueError| FeedError::Venue {
            venue: mapping.venue().to_owned(),
            message: error.to_string(),
        };
        for list in mapping.references(&segment, venue.mode).map_err(named)? {
            match pages_of(venue, &mapping, &rest, &clock, &list.name, &list.url).await {
                Ok(read) => pages.extend(read),
                Err(error) => failed.push((list.name, error.to_string())),
            }
        }
    }
    let now = clock.wall();
    let mut readings = decode(&mapping, &pages, sink);
    if let Some((name, problem)) = failed.first() {
        // Lists complete each other (funding intervals, pages): beside one that failed none is believed.
        for reading in &mut readings {
            reading.complete = false;
            reading.problem = format!("the list {name} could not be read: {problem}");
        }
    }
    for (list, problem) in failed {
        readings.push(ListReading { list, at: now, problem, ..ListReading::default() });
    }
    Ok(readings)
}

async fn pages_of(
    venue: &VenueConfig,
    mapping: &Mapping,
    rest: &Rest,
    clock: &SystemClock,
    list: &str,
    first: &str,
) -> Result<Vec<Page>, FeedError> {
    let mut url = first.to_owned();
    let mut pages: Vec<Page> = Vec::new();
    let mut catalogue = Catalogue::new(mapping);
    for _ in 0..MOST_PAGES {
        let body = rest.fetch(&url, ATTEMPTS).await?;
        let at = clock.wall();
        let mut ignore = |_: &Event<'_>| {};
        let read = catalogue.read(mapping, list, &body, at, Stamp::default(), &mut ignore);
        let report =
            read.map_err(|error| FeedError::Venue { venue: mapping.venue().to_owned(), message: error.to_string() })?;
        pages.push(Page { list: list.to_owned(), at, body: body.to_vec() });
        let Some(next) = report.next_page else { return Ok(pages) };
        url = page_address(venue.base.as_ref(), first, &next);
    }
    Err(FeedError::Fetch { url, cause: format!("more than {MOST_PAGES} pages") })
}

/// Reads pages that were had, from the venue or from a recording. Lists that name no instrument, such as those of
/// funding intervals, go into the instruments of the others and are not answered themselves.
pub fn decode(mapping: &Mapping, pages: &[Page], sink: &mut dyn FnMut(usize, &Instrument<'_>)) -> Vec<ListReading> {
    let mut catalogue = Catalogue::new(mapping);
    // Once for the intervals, which may come after the instruments that they belong to.
    let mut without_instruments: HashSet<&str> = HashSet::new();
    for page in pages {
        let mut names = false;
        let mut look = |event: &Event<'_>| names |= matches!(event, Event::Instrument(_));
        let read = catalogue.read(mapping, &page.list, &page.body, page.at, Stamp::default(), &mut look);
        if !names && read.is_ok_and(|report| report.taken > 0) {
            without_instruments.insert(&page.list);
        }
    }
    let mut readings: Vec<ListReading> = Vec::new();
    for page in pages.iter().filter(|page| !without_instruments.contains(page.list.as_str())) {
        let place = readings.iter().position(|reading| reading.list == page.list).unwrap_or(readings.len());
        if place == readings.len() {
            readings.push(ListReading { list: page.list.clone(), complete: true, ..ListReading::default() });
        }
        let mut take = |event: &Event<'_>| {
            if let Event::Instrument(row) = event {
                sink(place, row);
            }
        };
        let read = catalogue.read(mapping, &page.list, &page.body, page.at, Stamp::default(), &mut take);
        let reading = &mut readings[place];
        reading.at = reading.at.max(page.at);
        match read {
            Ok(report) => {
                reading.rows += report.rows;
                reading.skipped.extend(report.skipped);
            }
            Err(error) => (reading.complete, reading.problem) = (false, error.to_string()),
        }
    }
    for reading in readings.iter_mut().filter(|reading| reading.complete && reading.rows == 0) {
        (reading.complete, reading.problem) = (false, "the list is empty".into());
    }
    readings
}
