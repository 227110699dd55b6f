//! What to subscribe, over how many connections, and which lists to fetch first.

use crate::catalogue::{Catalogue, InstrumentInfo};
use crate::error::VenueError;
use crate::label::fill;
use crate::mapping::Mapping;
use crate::spec::SymbolCase;
use kt_model::InstrumentStatus;

/// How much is subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every mapped channel of the chosen instruments.
    Full,
    /// Quotes, mark and funding of all perpetuals only.
    Light,
}

impl Mode {
    /// The mode's name in mappings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Full => "full",
            Mode::Light => "light",
        }
    }
}

/// One channel, of one instrument or (`symbol` absent) of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The mapping's name of the channel.
    pub channel: String,
    /// The venue's symbol.
    pub symbol: Option<String>,
}

/// What one socket carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionPlan {
    /// Segment of the mapping.
    pub segment: String,
    /// WebSocket address.
    pub url: String,
    /// For [`crate::SessionConfig::subscriptions`].
    pub subscriptions: Vec<Subscription>,
}

/// A list to fetch before subscribing, and again after `refresh_seconds`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceRequest {
    /// For [`Catalogue::read`].
    pub name: String,
    /// Full address.
    pub url: String,
    /// Age at which the list is fetched again.
    pub refresh_seconds: u32,
}

impl Mapping {
    /// The lists of a segment that a mode needs, in the order in which to read them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unknown`] where the mapping lacks the segment.
    pub fn references(&self, segment: &str, mode: Mode) -> Result<Vec<ReferenceRequest>, VenueError> {
        let rest = &self.segment(segment)?.rest;
        let wanted = self.references.iter().filter(|reference| {
            let in_mode = reference.modes.is_empty() || reference.modes.iter().any(|name| name == mode.as_str());
            reference.segment == segment && in_mode
        });
        Ok(wanted
            .map(|reference| ReferenceRequest {
                name: reference.name.clone(),
                url: format!("{rest}{}", reference.request),
                refresh_seconds: reference.refresh_seconds,
            })
            .collect())
    }

    /// The reference list that a recorded request fetched.
    #[must_use]
    pub fn reference_of_url(&self, url: &str) -> Option<&str> {
        self.references.iter().find(|reference| reference.answers(url)).map(|reference| reference.name.as_str())
    }

    /// Address of a segment's WebSocket and REST services.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unknown`] where the mapping lacks the segment.
    pub fn addresses(&self, segment: &str) -> Result<(&str, &str), VenueError> {
        self.segment(segment).map(|segment| (segment.websocket.as_str(), segment.rest.as_str()))
    }

    /// Puts other addresses in place of the exchange's own: a simulator, a proxy.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unknown`] where the mapping lacks the segment.
    pub fn set_addresses(&mut self, segment: &str, websocket: &str, rest: &str) -> Result<(), VenueError> {
        self.segment(segment)?;
        for own in self.segments.iter_mut().filter(|own| own.name == segment) {
            own.websocket = websocket.to_owned();
            own.rest = rest.trim_end_matches('/').to_owned();
        }
        Ok(())
    }

    /// How many messages a connection may send each second.
    #[must_use]
    pub fn messages_per_second(&self) -> u32 {
        self.connection.messages_per_second.max(1)
    }

    /// Spreads a mode's channels over connections. `wanted` chooses the instruments; in light mode
    /// all-market channels are taken where the venue has them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unknown`] where the mapping lacks the segment.
    pub fn plan(
        &self,
        segment: &str,
        mode: Mode,
        catalogue: &Catalogue,
        wanted: impl Fn(&InstrumentInfo) -> bool,
    ) -> Result<Vec<ConnectionPlan>, VenueError> {
        let url = self.segment(segment)?.websocket.clone();
        let mut instruments: Vec<&InstrumentInfo> = (catalogue.instruments(segment))
            .filter(|info| matches!(info.status, InstrumentStatus::Trading | InstrumentStatus::Unknown) && wanted(info))
            .collect();
        instruments.sort_by(|one, other| one.symbol.cmp(&other.symbol));
        let mut subscriptions = Vec::new();
        for channel in &self.channels {
            let here = channel.segments.is_empty() || channel.segments.iter().any(|name| name == segment);
            if !here || !channel.modes.iter().any(|name| name == mode.as_str()) {
                continue;
            }
            if channel.subscribe_all.is_some() && (mode == Mode::Light || channel.subscribe.is_none()) {
                subscriptions.push(Subscription { channel: channel.name.clone(), symbol: None });
                continue;
            }
            for info in &instruments {
                if channel.types.is_empty() || channel.types.contains(&info.instrument_type) {
                    let symbol = Some(info.symbol.to_string());
                    subscriptions.push(Subscription { channel: channel.name.clone(), symbol });
                }
            }
        }
        let most = (self.connection.maximum_streams as usize).max(1);
        Ok(subscriptions
            .chunks(most)
            .map(|chunk| ConnectionPlan {
                segment: segment.to_owned(),
                url: url.clone(),
                subscriptions: chunk.to_vec(),
            })
            .collect())
    }

    /// One topic of a subscribe message; `None` where the channel has none of that kind.
    pub(crate) fn topic(&self, channel: usize, symbol: Option<&str>) -> Option<String> {
        let channel = self.channels.get(channel)?;
        let template = if symbol.is_some() { &channel.subscribe } else { &channel.subscribe_all };
        let symbol = match self.subscribe.symbol_case {
            SymbolCase::AsListed => symbol.unwrap_or_default().to_owned(),
            SymbolCase::Lower => symbol.unwrap_or_default().to_lowercase(),
        };
        let topic = fill(template.as_ref()?, &[("symbol", &symbol)]);
        Some(fill(&self.subscribe.topic, &[("topic", &topic)]))
    }

    /// The position of a channel.
    pub(crate) fn channel_index(&self, name: &str) -> Result<usize, VenueError> {
        let index = self.channels.iter().position(|channel| channel.name == name);
        index.ok_or_else(|| VenueError::unknown(format!("{} has no channel `{name}`", self.venue)))
    }
}
