//! kt-bus
