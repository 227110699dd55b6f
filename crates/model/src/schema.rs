//! Descriptions of the event kinds' columns, for the codec, the DDL check and the reference page.

/// One column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name, the same in Rust, on the wire and in the warehouse.
    pub name: &'static str,
    /// Type as `system.columns` spells it.
    pub clickhouse: &'static str,
    /// Unit or domain of the value.
    pub unit: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// One kind of row.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// The kind's name in subjects and headers.
    pub kind: Kind,
    /// Version of the column list; a change that is not an added trailing column raises it.
    pub version: u16,
    /// What the kind is.
    pub doc: &'static str,
    /// Columns common to all kinds, first in the row.
    pub header: &'static [Column],
    /// The kind's own columns.
    pub own: &'static [Column],
}

impl Schema {
    /// All columns in row order.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        self.header.iter().chain(self.own)
    }

    /// The `Kt-Schema` header: `trade/1`.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.version)
    }
}

macro_rules! kinds {
    ($($variant:ident = $name:literal in $table:literal),* $(,)?) => {
        /// The kinds of row that travel over the log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind { $(#[doc = $name] $variant),* }

        impl Kind {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// How many kinds there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Name in subjects, headers and tables.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The table that holds the rows.
            #[must_use]
            pub const fn table(self) -> &'static str {
                match self { $(Self::$variant => $table),* }
            }

            /// The kind of this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// Position in [`Kind::ALL`], for arrays indexed by kind.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

kinds! {
    Trade = "trade" in "landing.trade",
    Quote = "quote" in "landing.quote",
    Book = "book" in "landing.book",
    Candle = "candle" in "landing.candle",
    Mark = "mark" in "landing.mark",
    Funding = "funding" in "landing.funding",
    OpenInterest = "open_interest" in "landing.open_interest",
    Liquidation = "liquidation" in "landing.liquidation",
    Instrument = "instrument" in "landing.instrument",
    Status = "status" in "landing.status",
    Quarantine = "quarantine" in "ops.quarantine",
    Signal = "signal" in "landing.signal",
    Order = "order" in "landing.order",
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}
