//! kt-venue
