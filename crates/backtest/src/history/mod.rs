//! Events from the warehouse, in the order in which a strategy could have seen them.

mod fetch;
mod merge;
mod plan;

pub use fetch::{KindRows, WINDOWS_IN_MEMORY, WindowRows, fetch};
pub use merge::{OrderKey, merge};
pub use plan::{Bucket, Extent, Plan, Window};
