//! Tests that cross crates and processes.

mod architecture;
