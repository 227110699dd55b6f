//! kt-feed
