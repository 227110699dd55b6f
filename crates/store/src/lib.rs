//! kt-store
