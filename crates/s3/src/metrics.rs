//! Counters of the server.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    method: String,
    status: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Refused {
    cause: String,
}

/// Why a request was refused before anything was touched.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause {
    Anonymous,
    Forbidden,
    Full,
}

impl Cause {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Forbidden => "forbidden",
            Self::Full => "full",
        }
    }
}

/// The server's metrics; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Metrics {
    answered: Family<Answered, Counter>,
    refused: Family<Refused, Counter>,
    broken: Counter,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("kt_s3_requests", "Requests by method and HTTP status", self.answered.clone());
        registry.register(
            "kt_s3_refused",
            "Requests refused before anything was touched, by cause",
            self.refused.clone(),
        );
        registry.register(
            "kt_s3_broken_connections",
            "Connections that ended in the midst of a request",
            self.broken.clone(),
        );
    }

    pub(crate) fn answered(&self, method: &str, status: u16) {
        self.answered.get_or_create(&Answered { method: method.to_owned(), status }).inc();
    }

    pub(crate) fn refused(&self, cause: Cause) {
        self.refused.get_or_create(&Refused { cause: cause.name().to_owned() }).inc();
    }

    pub(crate) fn broken(&self) {
        self.broken.inc();
    }
}
