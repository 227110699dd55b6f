//! Events from the warehouse, in the order in which a strategy could have seen them.

mod fetch;
mod gather;
mod merge;
mod plan;
mod reference;

pub(crate) use fetch::columns;
pub use fetch::{KindRows, WINDOWS_IN_MEMORY, WindowRows, fetch};
pub use gather::gather;
pub use merge::{OrderKey, merge};
pub use plan::{Bucket, Extent, Plan, Window};
pub use reference::{definitions_before, mappings};
