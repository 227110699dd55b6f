//! What is known of one instrument: quotes, book, funding, definition, and how far each can be trusted.

use kt_model::{
    Funding, FundingStage, Instrument, InstrumentStatus, IntervalSource, Kind, Nanos, Quote, State, Status,
};
use serde::{Deserialize, Serialize};

use crate::book::OrderBook;
use crate::definition::TopSource;
use crate::formula;
use crate::number::float;
use crate::output::Reason;

/// Best bid and offer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Highest bid.
    pub bid: f64,
    /// Quantity there.
    pub bid_quantity: f64,
    /// Lowest offer.
    pub ask: f64,
    /// Quantity there.
    pub ask_quantity: f64,
}

impl Best {
    /// Middle of bid and ask.
    #[must_use]
    pub fn mid(&self) -> f64 {
        formula::mid(self.bid, self.ask)
    }

    /// Refuses prices that can be no market.
    fn checked(self) -> Result<Self, Reason> {
        if self.bid <= 0.0 || self.ask <= 0.0 {
            return Err(Reason::ZeroPrice);
        }
        if self.bid > self.ask { Err(Reason::Crossed) } else { Ok(self) }
    }
}

/// The newest funding rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct FundingNow {
    rate: Option<f64>,
    is_absolute: bool,
    interval_seconds: Option<u32>,
    settles_at: Option<i64>,
    at: i64,
}

/// One instrument.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Market {
    /// Its venue.
    pub venue: String,
    /// Its canonical id.
    pub instrument: String,
    /// Who logs its events; empty before the first.
    pub writer: String,
    /// Whether market data has come, so that its signals exist.
    pub is_active: bool,
    /// Signals that look at it, ascending.
    pub listeners: Vec<usize>,
    /// Bid and ask as the quote channel states them; a side may be missing.
    quote: Option<(Best, bool)>,
    quote_at: Option<i64>,
    quote_doubt: Option<Reason>,
    book: OrderBook,
    /// The channel that the book is built from: the first one seen.
    book_channel: String,
    newest: Option<i64>,
    /// When trades were last lost.
    trades_lost_at: Option<i64>,
    funding: Option<FundingNow>,
    expiry: Option<i64>,
    ends_at: Option<i64>,
    is_gone: bool,
}

impl Market {
    /// An instrument of which nothing is known.
    #[must_use]
    pub fn new(venue: &str, instrument: &str) -> Self {
        Self { venue: venue.to_owned(), instrument: instrument.to_owned(), ..Self::default() }
    }

    /// Takes note that an event of this instrument came.
    pub fn touch(&mut self, at: Nanos, writer: &str) {
        self.newest = self.newest.max(Some(at.0));
        if self.writer != writer {
            writer.clone_into(&mut self.writer);
        }
    }

    /// Takes a quote.
    pub fn take_quote(&mut self, row: &Quote<'_>) {
        let side = |price: Option<_>, quantity: Option<_>| (price.map_or(0.0, float), quantity.map_or(0.0, float));
        let (bid, bid_quantity) = side(row.bid_price, row.bid_quantity);
        let (ask, ask_quantity) = side(row.ask_price, row.ask_quantity);
        let has_both = row.bid_price.is_some() && row.ask_price.is_some();
        self.quote = Some((Best { bid, bid_quantity, ask, ask_quantity }, has_both));
        self.quote_at = Some(row.header.recv_ts.0);
        self.quote_doubt = None;
    }

    /// Takes a book row; `false` when it belongs to another channel than the book that is kept.
    pub fn take_book(&mut self, row: &kt_model::Book<'_>) -> bool {
        if self.book_channel.is_empty() {
            row.header.channel.0.clone_into(&mut self.book_channel);
        }
        let is_ours = self.book_channel == row.header.channel.0;
        if is_ours {
            self.book.apply(row);
        }
        is_ours
    }

    /// Takes a funding rate. What was settled is the past: the rate that counts is the coming one.
    pub fn take_funding(&mut self, row: &Funding<'_>) {
        if row.stage == FundingStage::Settled {
            return;
        }
        self.funding = Some(FundingNow {
            rate: row.rate.map(float),
            is_absolute: row.absolute_rate.is_some(),
            interval_seconds: row.interval_seconds.filter(|_| row.interval_source != IntervalSource::Unknown),
            settles_at: row.settles_at.map(|at| at.0),
            at: row.header.recv_ts.0,
        });
    }

    /// Takes the instrument's definition.
    pub fn take_definition(&mut self, row: &Instrument<'_>) {
        self.expiry = row.expiry_ts.map(|at| at.0);
        self.ends_at = row.delisted_ts.map(|at| at.0);
        self.is_gone = matches!(row.status, InstrumentStatus::Delisted | InstrumentStatus::Settling);
    }

    /// Takes what the feed announces; `true` when trades may be missing from here on.
    pub fn take_status(&mut self, row: &Status<'_>, now: Nanos) -> bool {
        let doubt = match row.state {
            State::Gap => Reason::Gap,
            State::Suspect => Reason::Announced,
            State::Disconnected | State::Stale | State::Stopped | State::Started => Reason::Disconnected,
            State::Connected | State::Resynchronised | State::Recovered | State::Clock => return false,
        };
        self.doubt(doubt, Kind::from_name(row.affected.0), now)
    }

    /// Nothing of `kind` (all kinds where `None`) can be trusted until it is mended; `true` when trades are
    /// concerned.
    pub fn doubt(&mut self, doubt: Reason, kind: Option<Kind>, now: Nanos) -> bool {
        let concerns = |wanted| kind.is_none_or(|kind| kind == wanted);
        if concerns(Kind::Quote) && self.quote.is_some() {
            self.quote_doubt.get_or_insert(doubt);
        }
        if concerns(Kind::Book) && self.book.at().is_some() {
            self.book.doubt(doubt);
        }
        let trades = concerns(Kind::Trade);
        if trades {
            self.trades_lost_at = Some(now.0);
        }
        trades
    }

    /// The order book.
    #[must_use]
    pub fn book(&self) -> &OrderBook {
        &self.book
    }

    /// Whether the best quotes come from the order book.
    #[must_use]
    pub fn uses_book(&self, source: TopSource) -> bool {
        match source {
            TopSource::Book => true,
            TopSource::Quote => false,
            TopSource::Auto => self.quote.is_none() && self.book.at().is_some(),
        }
    }

    /// Best bid and offer, or why there are none.
    ///
    /// # Errors
    /// The first reason that applies: not there, doubtful, stale, one-sided, zero, crossed.
    pub fn best(&self, source: TopSource, now: Nanos, max_age: i64) -> Result<Best, Reason> {
        self.check_listed(now)?;
        if self.uses_book(source) {
            self.check_book(now, max_age)?;
            let ((bid, bid_quantity), (ask, ask_quantity)) =
                self.book.bids().next().zip(self.book.asks().next()).ok_or(Reason::OneSided)?;
            return Best { bid, bid_quantity, ask, ask_quantity }.checked();
        }
        let Some(((best, has_both), at)) = self.quote.zip(self.quote_at) else { return Err(Reason::NoQuote) };
        if let Some(doubt) = self.quote_doubt {
            return Err(doubt);
        }
        if now.0 - at > max_age {
            return Err(Reason::Stale);
        }
        if has_both { best.checked() } else { Err(Reason::OneSided) }
    }

    /// Whether the book can be used.
    ///
    /// # Errors
    /// Why not.
    pub fn check_book(&self, now: Nanos, max_age: i64) -> Result<(), Reason> {
        self.check_listed(now)?;
        if let Some(doubt) = self.book.doubted() {
            // A book that never was whole is only waiting for its first snapshot.
            return Err(if self.book.is_whole() { doubt } else { Reason::NoBook });
        }
        match self.book.at() {
            Some(at) if self.book.is_whole() => {
                if now.0 - at.0 > max_age {
                    Err(Reason::Stale)
                } else {
                    Ok(())
                }
            }
            _ => Err(Reason::NoBook),
        }
    }

    /// Whether anything of the instrument came within `max_age`: a silent tape is no stale feed.
    ///
    /// # Errors
    /// Why it is not alive.
    pub fn check_alive(&self, now: Nanos, max_age: i64) -> Result<(), Reason> {
        self.check_listed(now)?;
        match self.newest {
            Some(at) if now.0 - at <= max_age => Ok(()),
            Some(_) => Err(Reason::Stale),
            None => Err(Reason::NoQuote),
        }
    }

    fn check_listed(&self, now: Nanos) -> Result<(), Reason> {
        if self.expiry.is_some_and(|expiry| expiry <= now.0) {
            return Err(Reason::Expired);
        }
        let is_over = self.is_gone || self.ends_at.is_some_and(|end| end <= now.0);
        if is_over { Err(Reason::Delisted) } else { Ok(()) }
    }

    /// The funding rate and the seconds of its interval.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub fn funding(&self, now: Nanos, max_age: i64) -> Result<(f64, f64), Reason> {
        self.check_listed(now)?;
        let funding = self.funding.ok_or(Reason::NoFunding)?;
        if now.0 - funding.at > max_age {
            return Err(Reason::Stale);
        }
        if funding.settles_at.is_some_and(|at| at <= now.0) {
            return Err(Reason::Settled);
        }
        let missing = if funding.is_absolute { Reason::AbsoluteRate } else { Reason::NoRate };
        let rate = funding.rate.ok_or(missing)?;
        match funding.interval_seconds {
            Some(seconds) if seconds > 0 => Ok((rate, f64::from(seconds))),
            _ => Err(Reason::Interval),
        }
    }

    /// Days until expiry.
    ///
    /// # Errors
    /// [`Reason::NoExpiry`].
    pub fn days_to_expiry(&self, now: Nanos) -> Result<f64, Reason> {
        const DAY: f64 = 86_400e9;
        self.expiry.map(|expiry| (expiry - now.0) as f64 / DAY).ok_or(Reason::NoExpiry)
    }

    /// When trades were last lost.
    #[must_use]
    pub fn trades_lost_at(&self) -> Option<Nanos> {
        self.trades_lost_at.map(Nanos)
    }

    /// Age of the newest quote or book row, whichever gives the best quotes.
    #[must_use]
    pub fn age_of_best(&self, source: TopSource, now: Nanos) -> Option<u64> {
        let at = if self.uses_book(source) { self.book.at().map(|at| at.0) } else { self.quote_at };
        age(at, now)
    }

    /// Age of the newest book row.
    #[must_use]
    pub fn age_of_book(&self, now: Nanos) -> Option<u64> {
        age(self.book.at().map(|at| at.0), now)
    }

    /// Age of the newest event.
    #[must_use]
    pub fn age(&self, now: Nanos) -> Option<u64> {
        age(self.newest, now)
    }

    /// Age of the funding rate.
    #[must_use]
    pub fn age_of_funding(&self, now: Nanos) -> Option<u64> {
        age(self.funding.map(|funding| funding.at), now)
    }
}

fn age(at: Option<i64>, now: Nanos) -> Option<u64> {
    at.map(|at| u64::try_from(now.0 - at).unwrap_or(0))
}
