//! The SQL scripts and the sources of the orchestration that were built into the binary.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
