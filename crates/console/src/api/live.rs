//! The live stream: server-sent events, at most one snapshot per tick.
//!
//! A client that reads too slowly is given the newest snapshot when it reads again; those it did not
//! get are counted. Nothing is queued for it but the bytes of one message.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use serde::Deserialize;

use super::query::{Asked, name};
use super::{Problem, Shared};

/// Most instruments of one stream.
const MOST_WATCHED: usize = 24;

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
    last_version: u64,
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
    let found = vec![None; wanted.len()];
    let mut client = Client { shared, wanted, found, last_version: 0, _place: place };
    // The first message comes at once, not with the next change.
    client.shared.snapshots.mark_changed();
    let stream = futures::stream::unfold(client, |mut client| async move {
        // The sender is gone when the console stops: the stream ends with it.
        client.shared.snapshots.changed().await.ok()?;
        let event = client.message();
        Some((Ok(event), client))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(5))))
}

impl Client {
    fn message(&mut self) -> Event {
        let snapshot = self.shared.snapshots.borrow_and_update().clone();
        if self.last_version > 0 {
            let skipped = snapshot.version.saturating_sub(self.last_version + 1);
            self.shared.metrics.snapshots_skipped.inc_by(skipped);
        }
        self.last_version = snapshot.version;
        for (found, (venue, instrument)) in self.found.iter_mut().zip(&self.wanted) {
            // An instrument keeps its place: it is looked for only until it has sent its first event.
            if found.is_none() {
                let fits = |of: &std::sync::Arc<crate::hot::market::InstrumentNow>| {
                    *of.venue == **venue && *of.instrument == **instrument
                };
                *found = snapshot.instruments.iter().position(fits);
            }
        }
        let watched: Vec<usize> = self.found.iter().flatten().copied().collect();
        Event::default().event("snapshot").data(snapshot.live(&watched))
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
