//! Reading a venue's instrument and funding interval lists.

use kt_model::Event;
use kt_venue::{ReferenceRequest, Stamp};

use crate::FeedError;
use crate::clock::Clock;
use crate::config::BaseAddress;
use crate::venue_feed::VenueFeed;

/// Pages of one list; a cursor that never ends is a fault of the venue.
pub(crate) const MOST_PAGES: usize = 100;

impl VenueFeed {
    /// Reads the instrument and funding interval lists. A list that cannot be had changes nothing.
    pub(crate) async fn fetch_lists(&self, at_start: bool) {
        let is_recording = self.config.is_recording;
        for segment in self.segments() {
            let lists = match self.mapping.references(&segment, self.config.mode) {
                Ok(lists) => lists,
                Err(error) => {
                    tracing::error!(venue = self.shared.venue, %error, "the segment is left out");
                    continue;
                }
            };
            for list in lists {
                // At the start an exchange's list is worth waiting for: without it nothing can be subscribed.
                let attempts = if at_start && !is_recording { u32::MAX } else { 3 };
                if let Err(error) = self.fetch_list(&list, attempts).await {
                    tracing::error!(venue = self.shared.venue, list = list.name, %error, "list not read, the known one stays");
                }
            }
        }
        self.shared.catalogue_version.set(self.shared.catalogue_version.get() + 1);
        self.shared.writer.borrow_mut().flush_hot();
    }

    async fn fetch_list(&self, list: &ReferenceRequest, attempts: u32) -> Result<(), FeedError> {
        let mut url = list.url.clone();
        for _ in 0..MOST_PAGES {
            let body = self.shared.fetch(&url, attempts).await?;
            let next = self.take_list(list, &body)?;
            let Some(page) = next else { return Ok(()) };
            url = page_address(self.config.base.as_ref(), &list.url, &page);
        }
        Err(FeedError::Fetch { url, cause: format!("more than {MOST_PAGES} pages") })
    }

    fn take_list(&self, list: &ReferenceRequest, body: &[u8]) -> Result<Option<String>, FeedError> {
        let now = self.shared.clock.wall();
        let mut emitted = self.shared.emitted.borrow_mut();
        let mut writer = self.shared.writer.borrow_mut();
        let mut only_changed = |event: &Event<'_>| match event {
            Event::Instrument(row) => {
                // Known and unchanged: nothing to say.
                if emitted.get(row.header.instrument.0) != Some(&row.content_hash) {
                    emitted.insert(row.header.instrument.0.into(), row.content_hash);
                    writer.event(event);
                }
            }
            other => writer.event(other),
        };
        let mut catalogue = self.shared.catalogue.borrow_mut();
        let stamp = Stamp::default();
        let read = catalogue.read(&self.mapping, &list.name, body, now, stamp, &mut only_changed);
        let report =
            read.map_err(|error| FeedError::Venue { venue: self.shared.venue.clone(), message: error.to_string() })?;
        let (rows, taken, skipped) = (report.rows, report.taken, report.skipped.len());
        tracing::info!(venue = self.shared.venue, list = list.name, rows, taken, skipped, "list read");
        Ok(report.next_page)
    }
}

/// A next page is named by path and query; behind a moved base the path of the base stays.
pub(crate) fn page_address(base: Option<&BaseAddress>, first: &str, page: &str) -> String {
    let host_end =
        first.split_once("://").map_or(0, |(scheme, rest)| scheme.len() + 3 + rest.find('/').unwrap_or(rest.len()));
    match base {
        Some(base) => format!("{}{page}", base.rest.trim_end_matches('/')),
        None => format!("{}{page}", &first[..host_end]),
    }
}
