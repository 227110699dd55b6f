//! Object storage on one machine: an S3 server over files, with generated users who each have their buckets,
//! and a small client for what the platform asks of any S3 store.
//!
//! The protocol and the storage are the library's (`s3s`, `s3s-fs`); this crate says who may do what, refuses
//! writes before the disk is full, counts, and stops in order.

#![forbid(unsafe_code)]

mod access;
mod client;
mod config;
mod error;
mod guests;
mod metrics;
mod server;
mod sweep;

pub use client::{Object, S3Client};
pub use config::{FreeBytes, S3Config, S3User};
pub use error::S3Error;
pub use guests::{GUEST, Guest, Guests};
pub use server::serve;
