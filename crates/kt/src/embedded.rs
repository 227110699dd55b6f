//! The SQL scripts that were built into the binary.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
