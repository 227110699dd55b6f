//! The platform's own rules, which no schema states.

pub mod argo;
mod kernels;
pub(crate) mod pods;
mod secrets;
pub mod values;

use crate::Finding;
use crate::document::Document;
use crate::overlay::Rendered;

/// Holds all rendered objects against all rules.
#[must_use]
pub fn check(all: &[Rendered], sources: &[Document]) -> Vec<Finding> {
    let mut findings = pods::check(all);
    findings.extend(secrets::check(all, sources));
    findings.extend(kernels::check(all));
    findings
}
