//! kt-console
