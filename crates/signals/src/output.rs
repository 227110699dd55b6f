//! What a signal says, and whether it may be believed.

use kt_model::codec::Label;
use kt_model::{Header, IdentityClass, Nanos, Origin, Signal, Validity};
use serde::{Deserialize, Serialize};

use crate::input::Position;

macro_rules! reasons {
    ($($name:ident $text:literal $validity:ident $doc:literal;)*) => {
        /// Why there is no value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason { $(#[doc = $doc] $name),* }

        impl Reason {
            /// Every reason with its description, in the order of the reference.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $doc)),*];

            /// Its name in rows.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What it makes of a signal.
            #[must_use]
            pub fn validity(self) -> Validity {
                match self { $(Self::$name => Validity::$validity),* }
            }
        }
    };
}

reasons! {
    NoQuote "no_quote" Warming "no quote of the leg has come";
    NoBook "no_book" Warming "no snapshot or checkpoint of the leg's book has come";
    NoFunding "no_funding" Warming "no funding rate has come";
    NoSecondLeg "no_second_leg" Warming "nothing of the second leg has come";
    Window "window" Warming "the window has not passed since the start or the last gap";
    Samples "samples" Warming "the window holds fewer samples than the minimum";
    Stale "stale" Stale "a leg's newest data is older than `max_age_ms`";
    Settled "settled" Stale "the rate's settlement time has passed and no newer rate came";
    Crossed "crossed" Suspect "the bid is above the ask";
    Gap "gap" Suspect "the feed announced a gap, and neither a snapshot nor an unbroken sequence has mended it";
    Dropped "dropped" Suspect "the hot path lost rows of the leg's writer, and nothing has mended it";
    Disconnected "disconnected" Suspect "the feed is disconnected, stale, stopped or began anew";
    Announced "announced" Suspect "the feed says that the leg's values cannot be right";
    Range "range" Suspect "the book holds numbers beyond 64 bits";
    OneSided "one_sided" Refused "bid or ask is missing";
    ZeroPrice "zero_price" Refused "a price is zero or negative";
    ZeroQuantity "zero_quantity" Refused "the quantities are zero";
    NoTrades "no_trades" Refused "the window holds no trade that counts";
    NoExpiry "no_expiry" Refused "the reference data gives no expiry";
    Expired "expired" Refused "the contract has expired";
    Delisted "delisted" Refused "the instrument is delisted or settling";
    NoRate "no_rate" Refused "the funding row has no rate";
    AbsoluteRate "absolute_rate" Refused "the venue quotes an amount instead of a rate";
    Interval "interval" Refused "the funding interval is not known";
    Constant "constant" Refused "the samples do not differ";
    Undefined "undefined" Refused "the arithmetic has no finite result";
}

/// A value, or why there is none.
pub type Computed = Result<f64, Reason>;

/// One signal's new state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output<'a> {
    /// Number of the signal within the engine, in the order in which signals came to be; the same on replay.
    pub instance: usize,
    /// Name of the signal as declared.
    pub name: &'a str,
    /// Name of the feature that computes it.
    pub feature: &'static str,
    /// Venue and instrument of the first leg.
    pub leg: (&'a str, &'a str),
    /// Venue and instrument of the second leg; empty where there is none.
    pub other: (&'a str, &'a str),
    /// Time of the input that caused it.
    pub at: Nanos,
    /// Number of that input, from 1.
    pub input: u64,
    /// The event that caused it; `None` when a tick or command did.
    pub cause: Option<Position<'a>>,
    /// The value in the feature's unit, or why there is none.
    pub computed: Computed,
    /// Age of each leg's newest data, ns; `None` where it has none or there is no second leg.
    pub ages: [Option<u64>; 2],
    /// Hash of the configuration that declares it.
    pub configuration: u64,
}

impl<'a> Output<'a> {
    /// Whether the value may be believed.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.computed.map_or_else(Reason::validity, |_| Validity::Valid)
    }

    /// The row that travels and is stored. Who publishes it fills in writer, epoch, counter and publish time.
    #[must_use]
    pub fn to_row(&self) -> Signal<'a> {
        let cause = self.cause.unwrap_or(Position { writer: "", epoch: 0, counter: 0 });
        Signal {
            header: Header {
                publish_ts: Nanos(0),
                counter: 0,
                epoch: 0,
                writer: Label(""),
                venue: Label(self.leg.0),
                instrument: Label(self.leg.1),
                channel: Label("signals"),
                event_ts: self.at,
                exch_ts: None,
                sent_ts: None,
                recv_ts: self.at,
                origin: Origin::Live,
                connection: 0,
                line: 0,
                mapping: 0,
                identity: IdentityClass::Id,
                occurrence: 0,
            },
            name: Label(self.name),
            feature: Label(self.feature),
            other_venue: Label(self.other.0),
            other_instrument: Label(self.other.1),
            value: self.computed.ok(),
            validity: self.validity(),
            reason: Label(self.computed.err().map_or("", Reason::as_str)),
            age: self.ages[0],
            other_age: self.ages[1],
            input: self.input,
            cause_writer: Label(cause.writer),
            cause_epoch: cause.epoch,
            cause_counter: cause.counter,
            configuration: self.configuration,
        }
    }
}
