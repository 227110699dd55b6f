//! Enumerations of the events, as ClickHouse `Enum8`.

use crate::codec::{DecodeError, Field, Reader};

macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident {
        $(#[$first_meta:meta])* $first:ident = $first_value:literal $first_text:literal
        $(, $(#[$rest_meta:meta])* $rest:ident = $rest_value:literal $rest_text:literal)* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i8)]
        pub enum $name {
            $(#[$first_meta])* $first = $first_value,
            $($(#[$rest_meta])* $rest = $rest_value,)*
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[Self::$first $(, Self::$rest)*];

            /// The name that the warehouse and the mappings use.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { Self::$first => $first_text, $(Self::$rest => $rest_text,)* }
            }

            /// The value with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $first_text => Some(Self::$first), $($rest_text => Some(Self::$rest),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl<'a> Field<'a> for $name {
            const CLICKHOUSE: &'static str = concat!(
                "Enum8('", $first_text, "' = ", $first_value, $(", '", $rest_text, "' = ", $rest_value,)* ")"
            );
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.push(*self as i8 as u8);
            }
            #[inline]
            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                match i8::decode(reader)? {
                    $first_value => Ok(Self::$first),
                    $($rest_value => Ok(Self::$rest),)*
                    other => Err(DecodeError::UnknownVariant(other)),
                }
            }
        }
    };
}

wire_enum! {
    /// How a row came to us.
    Origin {
        /// Received from the exchange as it happened.
        Live = 1 "live",
        /// Fetched afterwards from the venue's history.
        Backfill = 2 "backfill",
        /// A full state sent by the exchange (book snapshot, recent trades on subscription).
        Snapshot = 3 "snapshot",
        /// A full state written by us so that a day replays alone.
        Checkpoint = 4 "checkpoint",
        /// Replaces an earlier row of the same identity.
        Correction = 5 "correction",
    }
}
wire_enum! {
    /// What makes two rows the same logical event.
    IdentityClass {
        /// The venue's own identifier.
        Id = 1 "id",
        /// A sequence number within one book epoch.
        Sequence = 2 "sequence",
        /// Neither: equal content at equal exchange time is told apart by `occurrence`.
        Weak = 3 "weak",
    }
}
wire_enum! {
    /// Side of the taker (the order that met the book).
    Side {
        /// The taker bought.
        Buy = 1 "buy",
        /// The taker sold.
        Sell = 2 "sell",
        /// The venue did not say.
        Unknown = 3 "unknown",
    }
}
wire_enum! {
    /// The unit a quantity counts.
    QuantityUnit {
        /// Base currency.
        Base = 1 "base",
        /// Quote currency.
        Quote = 2 "quote",
        /// Contracts of the instrument's contract size.
        Contract = 3 "contract",
    }
}
wire_enum! {
    /// What a book row does to the book.
    BookAction {
        /// Levels that changed; quantity 0 removes a level.
        Delta = 1 "delta",
        /// The whole book as the venue sent it.
        Snapshot = 2 "snapshot",
        /// The whole book as we hold it.
        Checkpoint = 3 "checkpoint",
    }
}
wire_enum! {
    /// Where a funding interval is known from.
    IntervalSource {
        /// Not known: the row must not be annualised.
        Unknown = 1 "unknown",
        /// The message itself states it.
        Venue = 2 "venue",
        /// The venue's reference data states it.
        Reference = 3 "reference",
        /// Derived from two settlement times.
        Inferred = 4 "inferred",
    }
}
wire_enum! {
    /// Whether a funding rate is final.
    FundingStage {
        /// May still change before settlement.
        Predicted = 1 "predicted",
        /// Was charged at `settles_at`.
        Settled = 2 "settled",
    }
}
wire_enum! {
    /// What kind of contract an instrument is.
    InstrumentType {
        /// Immediate exchange of base against quote.
        Spot = 1 "spot",
        /// No expiry, held to its index by funding.
        Perpetual = 2 "perpetual",
        /// Expires on a date.
        Future = 3 "future",
        /// Right to buy or sell at a strike.
        Option = 4 "option",
    }
}
wire_enum! {
    /// How profit depends on price.
    Payoff {
        /// Spot: no contract.
        None = 1 "none",
        /// Margin and profit in the quote currency.
        Linear = 2 "linear",
        /// Margin and profit in the base currency.
        Inverse = 3 "inverse",
        /// Settled in a third currency at a fixed rate.
        Quanto = 4 "quanto",
    }
}
wire_enum! {
    /// Right that an option gives.
    OptionSide {
        /// Not an option.
        None = 1 "none",
        /// Right to buy.
        Call = 2 "call",
        /// Right to sell.
        Put = 3 "put",
    }
}
wire_enum! {
    /// Whether an instrument can be traded.
    InstrumentStatus {
        /// Listed, not yet open.
        PreListing = 1 "pre_listing",
        /// Open.
        Trading = 2 "trading",
        /// Closed for now.
        Halted = 3 "halted",
        /// In settlement or delivery.
        Settling = 4 "settling",
        /// Gone for good.
        Delisted = 5 "delisted",
        /// A state the mapping does not know; the raw text is kept beside it.
        Unknown = 6 "unknown",
    }
}
wire_enum! {
    /// What a `status` row announces.
    State {
        /// A service or writer started an epoch.
        Started = 1 "started",
        /// It stopped in order.
        Stopped = 2 "stopped",
        /// A connection is open and subscribed.
        Connected = 3 "connected",
        /// A connection ended.
        Disconnected = 4 "disconnected",
        /// Events are missing within the stated extent.
        Gap = 5 "gap",
        /// A book is whole again.
        Resynchronised = 6 "resynchronised",
        /// Nothing came for longer than the channel allows.
        Stale = 7 "stale",
        /// A stale feed delivers again.
        Recovered = 8 "recovered",
        /// Clock offset and uncertainty of this host.
        Clock = 9 "clock",
        /// Values that cannot be right: crossed book, time going backwards, unknown instrument.
        Suspect = 10 "suspect",
    }
}
wire_enum! {
    /// Whether a signal's value may be believed.
    Validity {
        /// Computed from complete and fresh data. Only such a row has a value.
        Valid = 1 "valid",
        /// Not enough data yet: no book, a window that is not filled.
        Warming = 2 "warming",
        /// A leg is older than its maximum age.
        Stale = 3 "stale",
        /// A leg's data cannot be trusted: crossed book, gap, lost events.
        Suspect = 4 "suspect",
        /// The data is there but the value is not defined: zero price, unknown funding interval, expired.
        Refused = 5 "refused",
    }
}
wire_enum! {
    /// A step in the life of an order of ours, or of a position.
    OrderStep {
        /// A strategy wants the order.
        Decided = 1 "decided",
        /// Risk lets it pass.
        Passed = 2 "passed",
        /// Risk does not; nothing was sent.
        Refused = 3 "refused",
        /// It is on its way to the venue.
        Sent = 4 "sent",
        /// The venue has it.
        Acknowledged = 5 "acknowledged",
        /// The venue did not take it.
        Rejected = 6 "rejected",
        /// Some or all of it traded.
        Fill = 7 "fill",
        /// We asked to cancel it.
        CancelSent = 8 "cancel_sent",
        /// The venue did not cancel it.
        CancelRejected = 9 "cancel_rejected",
        /// It trades no more.
        Cancelled = 10 "cancelled",
        /// A funding was paid or received.
        Funding = 11 "funding",
        /// A funding was due and is not known: the account is incomplete from here on.
        FundingRefused = 12 "funding_refused",
        /// The venue closed the position of an instrument that it lists no longer.
        Settled = 13 "settled",
        /// Trading was forbidden.
        Halted = 14 "halted",
        /// Trading was allowed again.
        Resumed = 15 "resumed",
        /// Something that must not happen: a duplicate, late, unknown or contradicting report.
        Anomaly = 16 "anomaly",
    }
}
wire_enum! {
    /// How long an order may trade.
    TimeInForce {
        /// The step concerns no order.
        None = 1 "none",
        /// At once against the book; what does not trade is cancelled.
        ImmediateOrCancel = 2 "ioc",
        /// It waits in the book and never takes.
        PostOnly = 3 "post_only",
    }
}
