//! One window of one instrument's past: fetched, compared with landing, and what is missing written.

use std::sync::Arc;
use std::time::Duration;

use kt_model::schema::Kind;
use kt_model::{Event, Nanos, Side};
use kt_venue::{HistoryPager, InstrumentInfo, Mapping};
use kt_warehouse::gaps::{Ledger, Progress};

use crate::compare::{PastTrade, missing};
use crate::instruments::now;
use crate::output::{Output, Rows};
use crate::run::{Step, Watch};
use crate::source::Source;
use crate::time::{DAY, SECOND, text};
use crate::{BackfillError, ErrorKind};

/// Rows that are compared with landing at once; beyond them a page more may come.
const CHUNK: usize = 20_000;
/// Tries of a page that says in itself that there were too many requests.
const BUSY_TRIES: u32 = 6;
/// The newest moments of a history may not be in it yet.
const SETTLE: i64 = 2 * SECOND;

/// What a window's fill needs.
pub(crate) struct Filler<'a> {
    pub mapping: &'a Arc<Mapping>,
    pub source: &'a Source,
    pub ledger: &'a Ledger,
    pub output: &'a Output,
    pub watch: &'a Watch,
}

/// What it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    pub found: u64,
    pub inserted: u64,
    pub present: u64,
    pub resumed: bool,
}

/// Rows that wait to be compared.
#[derive(Default)]
struct Chunk {
    rows: Rows,
    trades: Vec<PastTrade>,
    /// What candles and fundings are known by, and their key time.
    moments: Vec<(Nanos, Nanos)>,
}

impl Chunk {
    fn push(&mut self, event: &Event<'_>) {
        self.rows.push(event);
        match event {
            Event::Trade(trade) => self.trades.push(PastTrade {
                id: trade.trade_id.to_owned(),
                event_ts: trade.header.event_ts,
                price: trade.price,
                quantity: trade.quantity,
                side: match trade.side {
                    Side::Buy => "buy",
                    Side::Sell => "sell",
                    Side::Unknown => "unknown",
                },
            }),
            Event::Candle(candle) => self.moments.push((candle.open_ts, candle.header.event_ts)),
            Event::Funding(row) => {
                self.moments.push((row.settles_at.unwrap_or(row.header.event_ts), row.header.event_ts));
            }
            _ => {}
        }
    }

    fn extent(&self) -> Option<(Nanos, Nanos)> {
        let trades = self.trades.iter().map(|trade| trade.event_ts);
        let times = trades.chain(self.moments.iter().map(|(_, event_ts)| *event_ts));
        times.fold(None, |extent, at| match extent {
            None => Some((at, at)),
            Some((first, last)) => Some((at.min(first), at.max(last))),
        })
    }
}

impl Filler<'_> {
    /// Fills a window.
    pub async fn fill(
        &self,
        kind: Kind,
        (segment, info): (&str, &InstrumentInfo),
        window: (Nanos, Nanos),
    ) -> Result<Filled, BackfillError> {
        self.check_reach(kind, segment, info, window)?;
        let earlier = match kind {
            // The interval of a settlement is known from the one before: its walk always begins at the beginning.
            Kind::Funding => None,
            _ => self.ledger.unfinished(self.mapping.venue(), kind.as_str(), &info.id, window).await?,
        };
        let begun = now();
        let mut done = Filled::default();
        let mut asked = (window.0, Nanos(window.1.0.min(now().0 - SETTLE)));
        if let Some(earlier) = earlier {
            (done.found, done.inserted, done.present) = (earlier.found, earlier.inserted, earlier.present);
            done.resumed = true;
            asked = earlier.remaining.unwrap_or(asked);
        }
        let mut pager = HistoryPager::new(self.mapping.clone(), kind, segment, info, asked)?;
        let mut extent: Option<(Nanos, Nanos)> = None;
        loop {
            let mut chunk = Chunk::default();
            while let Some(url) = pager.next_url().filter(|_| chunk.rows.len() < CHUNK) {
                self.page(&mut pager, &url, &mut chunk).await?;
                let rows = done.found + chunk.rows.len() as u64;
                (self.watch)(&Step {
                    venue: self.mapping.venue(),
                    kind,
                    instrument: &info.id,
                    part: part(&pager, window),
                    rows,
                });
            }
            self.take(kind, info, &pager, &chunk, &mut done).await?;
            extent = union(extent, chunk.extent());
            let remaining = pager.remaining();
            if kind != Kind::Funding && (remaining.is_some() || done.resumed || done.found > CHUNK as u64) {
                self.remember(kind, info, window, remaining, &done).await?;
            }
            if remaining.is_none() {
                break;
            }
        }
        if kind == Kind::Trade {
            self.check_ends(info, asked, extent, begun).await?;
        }
        Ok(done)
    }

    /// Compares a chunk and writes what is missing.
    async fn take(
        &self,
        kind: Kind,
        info: &InstrumentInfo,
        pager: &HistoryPager,
        chunk: &Chunk,
        done: &mut Filled,
    ) -> Result<(), BackfillError> {
        let Some(extent) = chunk.extent() else { return Ok(()) };
        let wanted = match kind {
            Kind::Trade => {
                let known = self.ledger.trades(self.mapping.venue(), &info.id, extent, now()).await?;
                let compared = missing(&chunk.trades, &known, pager.history().is_counted());
                compared.map_err(|cause| self.wrong(info, &cause))?
            }
            _ => {
                let known = self.ledger.moments(kind, self.mapping.venue(), &info.id, extent).await?;
                let known: std::collections::HashSet<Nanos> = known.into_iter().collect();
                chunk.moments.iter().map(|(moment, _)| !known.contains(moment)).collect()
            }
        };
        let inserted = wanted.iter().filter(|wanted| **wanted).count() as u64;
        if inserted > 0 {
            self.output.write(kind, &chunk.rows, &wanted).await?;
        }
        done.found += wanted.len() as u64;
        done.inserted += inserted;
        done.present += wanted.len() as u64 - inserted;
        Ok(())
    }

    /// Fetches a page into the chunk.
    async fn page(&self, pager: &mut HistoryPager, url: &str, chunk: &mut Chunk) -> Result<(), BackfillError> {
        let weight = pager.history().weight();
        let mut pause = Duration::from_secs(1);
        for attempt in 1.. {
            let body = self.source.get(url, weight).await?;
            let mut page = Chunk::default();
            match pager.take(&body, now(), &mut |event| page.push(event)) {
                Ok(_) => {
                    chunk.append(page);
                    return Ok(());
                }
                Err(error) if error.kind == kt_venue::ErrorKind::Busy && attempt < BUSY_TRIES => {
                    tracing::warn!(url, %error, "the venue is busy, the page is asked for again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) if error.kind == kt_venue::ErrorKind::Busy => {
                    return Err(BackfillError::new(ErrorKind::Limited, format!("rate limited: {error}")));
                }
                Err(error) => return Err(error.into()),
            }
        }
        unreachable!("the loop ends by returning")
    }

    fn check_reach(
        &self,
        kind: Kind,
        segment: &str,
        info: &InstrumentInfo,
        window: (Nanos, Nanos),
    ) -> Result<(), BackfillError> {
        let Some(history) = self.mapping.history(kind, segment, info) else {
            let message = format!("{} serves no past {kind} rows of {}", self.mapping.venue(), info.id);
            return Err(BackfillError::new(ErrorKind::Beyond, message));
        };
        let reach = history.reaches_back().map_or(i64::MAX, |reach| reach.as_nanos() as i64);
        if window.1.0 >= now().0.saturating_sub(reach) {
            return Ok(());
        }
        let message = format!(
            "{} keeps `{}` for {} days only; the window ends {}",
            self.mapping.venue(),
            history.name(),
            reach / DAY,
            text(window.1)
        );
        Err(BackfillError::new(ErrorKind::Beyond, message))
    }

    /// What was received, before the walk had begun, within the window before the history's first or after its last row says that the history is
    /// cut short.
    async fn check_ends(
        &self,
        info: &InstrumentInfo,
        asked: (Nanos, Nanos),
        extent: Option<(Nanos, Nanos)>,
        begun: Nanos,
    ) -> Result<(), BackfillError> {
        let outside = match extent {
            None => vec![asked],
            Some((first, last)) => vec![(asked.0, Nanos(first.0 - 1)), (Nanos(last.0 + 1), asked.1)],
        };
        for window in outside.into_iter().filter(|window| window.0 <= window.1) {
            let known = self.ledger.trades(self.mapping.venue(), &info.id, window, begun).await?;
            if let Some(trade) = known.first() {
                let cause = format!(
                    "the history from {} to {} lacks trade {} of {}, which was received",
                    text(asked.0),
                    text(asked.1),
                    trade.id,
                    text(trade.event_ts)
                );
                return Err(self.wrong(info, &cause));
            }
        }
        Ok(())
    }

    fn wrong(&self, info: &InstrumentInfo, cause: &str) -> BackfillError {
        let message = format!("source wrong: {} {}: {cause}", self.mapping.venue(), info.id);
        BackfillError::new(ErrorKind::Wrong, message)
    }

    async fn remember(
        &self,
        kind: Kind,
        info: &InstrumentInfo,
        window: (Nanos, Nanos),
        remaining: Option<(Nanos, Nanos)>,
        done: &Filled,
    ) -> Result<(), BackfillError> {
        let progress = Progress {
            venue: self.mapping.venue().to_owned(),
            kind: kind.as_str().to_owned(),
            instrument: info.id.to_string(),
            window,
            remaining,
            found: done.found,
            inserted: done.inserted,
            present: done.present,
        };
        Ok(self.ledger.remember(&progress).await?)
    }
}

impl Chunk {
    fn append(&mut self, page: Self) {
        self.rows.append(page.rows);
        self.trades.extend(page.trades);
        self.moments.extend(page.moments);
    }
}

/// How much of the window has been asked for, 0 to 1.
fn part(pager: &HistoryPager, window: (Nanos, Nanos)) -> f64 {
    let Some((from, to)) = pager.remaining() else { return 1.0 };
    let whole = (window.1.0 - window.0.0).max(1) as f64;
    (1.0 - (to.0 - from.0).max(0) as f64 / whole).clamp(0.0, 1.0)
}

fn union(one: Option<(Nanos, Nanos)>, other: Option<(Nanos, Nanos)>) -> Option<(Nanos, Nanos)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}
