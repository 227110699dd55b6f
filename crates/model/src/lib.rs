//! kt-model
