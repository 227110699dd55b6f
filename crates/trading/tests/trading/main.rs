//! Tests of the trading core.

mod bad_input;
mod configuration;
mod desk;
mod orders;
mod world;
