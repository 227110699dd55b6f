//! The platform's page and its API.

#![forbid(unsafe_code)]

pub mod hot;
