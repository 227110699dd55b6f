//! The check against the real tree, against spoilt copies of it, and against the software that will read it.

mod engines;
mod leaf;
mod refused;
mod rollout;
mod support;
mod workflows;
