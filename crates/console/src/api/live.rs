//! The live stream: server-sent events. `snapshot` brings everything, at most ten times a second; between two of them `moves`
//! brings the watched instruments that have changed, at most fifty times a second.
//!
//! A client that reads too slowly is given the newest state when it reads again; the snapshots it did not
//! get are counted. Nothing is queued for it but the bytes of one message.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use serde::Deserialize;

use super::query::{Asked, name};
use super::{Problem, Shared};
use crate::hot::market::InstrumentNow;
use crate::hot::snapshot::Snapshot;

/// Most instruments of one stream.
const MOST_WATCHED: usize = 24;
/// Time between two messages with everything, ns: a little less than a tenth of a second, so that ticks that come early do not
/// put it off to the next.
const WHOLE_EVERY: i64 = 95_000_000;

/// Which instruments the client looks at: `venue/instrument`, parted by commas.
#[derive(Deserialize)]
pub struct Watch {
    #[serde(default)]
    watch: String,
}

struct Client {
    shared: Shared,
    wanted: Vec<(String, String)>,
    found: Vec<Option<usize>>,
    /// What was sent of each last: an instrument that is another object has changed.
    sent: Vec<Option<Arc<InstrumentNow>>>,
    last_version: u64,
    last_whole: i64,
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.metrics.clients.dec();
    }
}

impl Watch {
    fn wanted(&self) -> Result<Vec<(String, String)>, Problem> {
        let keys: Vec<&str> = self.watch.split(',').filter(|key| !key.is_empty()).collect();
        if keys.len() > MOST_WATCHED {
            let error = format!("{} instruments are watched at once", keys.len());
            return Err(Problem::bad_request(error, format!("watch at most {MOST_WATCHED}")));
        }
        let pair = |key: &&str| {
            let (venue, instrument) = key.split_once('/').ok_or_else(|| {
                Problem::bad_request(format!("{key:?} names no instrument"), "write venue/instrument")
            })?;
            name("venue", venue)?;
            name("instrument", instrument)?;
            Ok((venue.to_owned(), instrument.to_owned()))
        };
        keys.iter().map(pair).collect()
    }
}

/// `GET /api/v1/live?watch=venue/instrument,…`
pub async fn live(
    State(shared): State<Shared>,
    Asked(watch): Asked<Watch>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let wanted = watch.wanted()?;
    let Ok(place) = shared.places.clone().try_acquire_owned() else {
        shared.metrics.clients_refused.inc();
        return Err(Problem::busy("too many live streams are open"));
    };
    shared.metrics.clients.inc();
    let (found, sent) = (vec![None; wanted.len()], vec![None; wanted.len()]);
    let mut client = Client { shared, wanted, found, sent, last_version: 0, last_whole: 0, _place: place };
    // The first message comes at once, not with the next change.
    client.shared.snapshots.mark_changed();
    let stream = futures::stream::unfold(client, |mut client| async move {
        loop {
            // The sender is gone when the console stops: the stream ends with it.
            client.shared.snapshots.changed().await.ok()?;
            if let Some(event) = client.message() {
                return Some((Ok(event), client));
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(5))))
}

impl Client {
    /// What the newest snapshot has for this client; `None` when nothing that it watches has moved.
    fn message(&mut self) -> Option<Event> {
        let snapshot = self.shared.snapshots.borrow_and_update().clone();
        if self.last_version > 0 {
            let skipped = snapshot.version.saturating_sub(self.last_version + 1);
            self.shared.metrics.snapshots_skipped.inc_by(skipped);
        }
        self.last_version = snapshot.version;
        let is_whole = snapshot.now.0.saturating_sub(self.last_whole) >= WHOLE_EVERY;
        if is_whole {
            self.last_whole = snapshot.now.0;
            self.find(&snapshot);
        }
        let moved = self.moved(&snapshot, is_whole);
        if is_whole {
            return Some(Event::default().event("snapshot").data(snapshot.live(&moved)));
        }
        (!moved.is_empty()).then(|| Event::default().event("moves").data(snapshot.moves(&moved)))
    }

    /// An instrument keeps its place: it is looked for only until it has sent its first event.
    fn find(&mut self, snapshot: &Snapshot) {
        for (found, (venue, instrument)) in self.found.iter_mut().zip(&self.wanted) {
            if found.is_none() {
                let fits = |of: &Arc<InstrumentNow>| *of.venue == **venue && *of.instrument == **instrument;
                *found = snapshot.instruments.iter().position(fits);
            }
        }
    }

    /// Places of the instruments to be sent: all, or those that have changed since they were.
    fn moved(&mut self, snapshot: &Snapshot, all: bool) -> Vec<usize> {
        let mut moved = Vec::with_capacity(self.found.len());
        for (found, sent) in self.found.iter().zip(&mut self.sent) {
            let Some((place, now)) = found.and_then(|place| Some((place, snapshot.instruments.get(place)?))) else {
                continue;
            };
            let is_same = sent.as_ref().is_some_and(|sent| Arc::ptr_eq(sent, now));
            if all || !is_same {
                *sent = Some(Arc::clone(now));
                moved.push(place);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(watch: &str) -> Result<usize, Problem> {
        Watch { watch: watch.to_owned() }.wanted().map(|keys| keys.len())
    }

    #[test]
    fn a_client_names_instruments_and_nothing_else() {
        assert_eq!(wanted("").expect("none"), 0);
        assert_eq!(wanted("okx/BTC-USDT-SPOT,binance_usdm/1000SHIB-USDT-USDT-PERP").expect("two"), 2);
        for wrong in ["okx", "okx/", "/BTC", "okx/BTC USDT", "okx/'", "a/b/c"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
