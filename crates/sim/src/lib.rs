//! kt-sim
