//! What every container must state: a fixed image, and limits.

use serde_json::Value;

use crate::Finding;
use crate::overlay::Rendered;

/// Where kinds keep the specification of a pod, as JSON pointers.
const TEMPLATES: &[(&str, &[&str])] = &[
    ("Pod", &["/spec"]),
    ("Deployment", &["/spec/template/spec"]),
    ("StatefulSet", &["/spec/template/spec"]),
    ("DaemonSet", &["/spec/template/spec"]),
    ("Job", &["/spec/template/spec"]),
    ("CronJob", &["/spec/jobTemplate/spec/template/spec"]),
    ("ClickHouseInstallation", &["/spec/templates/podTemplates/0/spec"]),
    ("ClickHouseKeeperInstallation", &["/spec/templates/podTemplates/0/spec"]),
];

pub(super) fn check(all: &[Rendered]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rendered in all {
        for pod in specifications(rendered) {
            for (at, container) in containers(rendered, pod) {
                limits(rendered, &at, container, &mut findings);
                image(rendered, &at, container, &mut findings);
                ports(rendered, &at, container, &mut findings);
            }
        }
        budget(rendered, &mut findings);
    }
    findings
}

/// Pointers to the pod specifications of an object.
pub(super) fn specifications(rendered: &Rendered) -> &'static [&'static str] {
    TEMPLATES.iter().find(|(kind, _)| *kind == rendered.kind()).map_or(&[], |(_, pointers)| *pointers)
}

/// Every container of a pod with its pointer.
pub(super) fn containers<'a>(rendered: &'a Rendered, pod: &str) -> Vec<(String, &'a Value)> {
    let mut found = Vec::new();
    for list in ["containers", "initContainers"] {
        let items = rendered.object.value.pointer(&format!("{pod}/{list}")).and_then(Value::as_array);
        found.extend(items.into_iter().flatten().enumerate().map(|(i, item)| (format!("{pod}/{list}/{i}"), item)));
    }
    found
}

fn name(container: &Value) -> &str {
    container.get("name").and_then(Value::as_str).unwrap_or("without a name")
}

fn limits(rendered: &Rendered, at: &str, container: &Value, findings: &mut Vec<Finding>) {
    for (part, resource) in [("requests", "cpu"), ("requests", "memory"), ("limits", "cpu"), ("limits", "memory")] {
        if container.pointer(&format!("/resources/{part}/{resource}")).is_none() {
            let message = format!(
                "{} {}: container {} has no resources.{part}.{resource}; without it one pod can starve its node",
                rendered.kind(),
                rendered.name(),
                name(container)
            );
            findings.push(rendered.finding(&format!("{at}/resources/{part}"), message));
        }
    }
}

fn image(rendered: &Rendered, at: &str, container: &Value, findings: &mut Vec<Finding>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    if let Err(problem) = fixed(image) {
        let message = format!("{} {}: image {image:?} {problem}", rendered.kind(), rendered.name());
        findings.push(rendered.image_finding(&format!("{at}/image"), image, message));
    }
}

/// Whether an image always means the same bytes: a digest, a commit for our own, an exact version for others'.
///
/// # Errors
/// What is wrong, to be read after the image's name.
pub fn fixed(image: &str) -> Result<(), &'static str> {
    if let Some((_, digest)) = image.split_once("@sha256:") {
        let whole = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        return if whole { Ok(()) } else { Err("has a digest that is none") };
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    let Some((_, tag)) = last.split_once(':') else { return Err("has no tag, which means latest, which moves") };
    if image.contains("amazonaws.com/kubetrader/") {
        let commit = tag.len() == 40 && tag.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        return if commit { Ok(()) } else { Err("has a tag that can move; our own images are tagged by commit") };
    }
    let version = tag.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = version.split('.').collect();
    let exact =
        numbers.len() >= 3 && numbers.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if exact { Ok(()) } else { Err("has a tag that can move; write an exact version such as 1.2.3, or a digest") }
}

/// Two ports of one name: a service or a probe would hit either.
fn ports(rendered: &Rendered, at: &str, container: &Value, findings: &mut Vec<Finding>) {
    let list = container.get("ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, port) in list.iter().enumerate() {
        if list[..index].iter().any(|other| other.get("name").is_some() && other.get("name") == port.get("name")) {
            let message = format!("{} {}: two ports are named {}", rendered.kind(), rendered.name(), port["name"]);
            findings.push(rendered.finding(&format!("{at}/ports/{index}"), message));
        }
    }
}

/// A budget that selects everything would hold up every drain of the namespace.
fn budget(rendered: &Rendered, findings: &mut Vec<Finding>) {
    if rendered.kind() == "PodDisruptionBudget" {
        let selector = rendered.object.value.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        if selector.is_none_or(serde_json::Map::is_empty) {
            let message = format!("PodDisruptionBudget {} selects every pod of its namespace", rendered.name());
            findings.push(rendered.finding("/spec/selector", message));
        }
    }
}
