//! The sizes of kernels and what each may use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kernel's size; larger ones come later in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Size {
    /// For looking around.
    S,
    /// For frames of some gigabytes.
    M,
    /// For what needs the machine.
    L,
}

impl Size {
    /// Every size, smallest first.
    pub const ALL: [Self; 3] = [Self::S, Self::M, Self::L];

    /// The name of its kernel specification.
    #[must_use]
    pub fn spec(self) -> &'static str {
        match self {
            Self::S => "kubetrader-s",
            Self::M => "kubetrader-m",
            Self::L => "kubetrader-l",
        }
    }

    /// The size of a kernel specification.
    #[must_use]
    pub fn of_spec(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.spec() == name)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S => "S",
            Self::M => "M",
            Self::L => "L",
        })
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|size| size.to_string().eq_ignore_ascii_case(text));
        found.ok_or_else(|| format!("{text:?} is no size; S, M and L are"))
    }
}

/// What a kernel with all its processes may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Processors; a half is 0.5.
    pub cpus: f64,
    /// Memory in bytes, file cache included.
    pub memory: u64,
    /// Processes and threads.
    pub processes: u32,
}

/// The limits of every size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    /// Of size S.
    pub s: Limits,
    /// Of size M.
    pub m: Limits,
    /// Of size L.
    pub l: Limits,
}

impl Sizes {
    /// The limits of a size.
    #[must_use]
    pub fn of(&self, size: Size) -> Limits {
        match size {
            Size::S => self.s,
            Size::M => self.m,
            Size::L => self.l,
        }
    }
}
