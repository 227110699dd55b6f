//! Values of others' charts: limits wherever a part is switched on, and no moving image.

use std::path::Path;

use serde_json::Value;

use crate::Finding;
use crate::document::{Document, step};

/// Charts whose every container can be given limits by values, and where: file, JSON pointers of resources.
const LIMITED: &[(&str, &[&str])] = &[
    ("external-secrets", &["/resources", "/webhook/resources", "/certController/resources"]),
    ("karpenter", &["/controller/resources"]),
    ("clickhouse-operator", &["/operator/resources", "/metrics/resources"]),
    ("nats", &["/container/merge/resources", "/promExporter/merge/resources", "/reloader/merge/resources"]),
    ("prometheus", &["/prometheus/prometheusSpec/resources", "/prometheusOperator/resources"]),
    ("loki", &["/singleBinary/resources"]),
    ("alloy", &["/alloy/resources"]),
    ("grafana", &["/resources"]),
    ("enterprise-gateway", &["/deployment/resources"]),
    (
        "dagster",
        &[
            "/dagsterWebserver/resources",
            "/dagsterDaemon/resources",
            "/dagster-user-deployments/deployments/0/resources",
            "/runLauncher/config/k8sRunLauncher/runK8sConfig/containerConfig/resources",
        ],
    ),
];

/// Checks the files in `values/`.
pub fn check(root: &Path, sources: &[Document]) -> Vec<Finding> {
    let folder = root.join("values");
    let mut findings = Vec::new();
    for document in sources.iter().filter(|document| document.file.starts_with(&folder)) {
        images(document, &document.value, &mut String::new(), &mut findings);
        let name = document.file.file_stem().unwrap_or_default().to_string_lossy();
        if document.file.parent() != Some(folder.as_path()) {
            continue;
        }
        let Some((_, pointers)) = LIMITED.iter().find(|(chart, _)| *chart == name) else {
            findings
                .push(document.finding("", format!("where chart {name} takes limits is not known; add it to LIMITED")));
            continue;
        };
        for pointer in *pointers {
            for part in ["limits/cpu", "limits/memory"] {
                if document.value.pointer(&format!("{pointer}/{part}")).is_none() {
                    findings
                        .push(document.finding(pointer, format!("{pointer}/{part} is missing: a pod without limits")));
                }
            }
        }
    }
    findings
}

/// Images that values name, as one text or as repository and tag.
fn images(document: &Document, value: &Value, at: &mut String, findings: &mut Vec<Finding>) {
    let Value::Object(map) = value else {
        if let Value::Array(items) = value {
            for (index, item) in items.iter().enumerate() {
                let length = at.len();
                at.push_str(&format!("/{index}"));
                images(document, item, at, findings);
                at.truncate(length);
            }
        }
        return;
    };
    for (key, below) in map {
        let length = at.len();
        at.push('/');
        at.push_str(&step(key));
        if key == "image" {
            let part = |name: &str| below.get(name).and_then(Value::as_str);
            let image = match below {
                Value::String(image) => Some(image.clone()),
                _ => part("tag").map(|tag| format!("{}:{tag}", part("repository").unwrap_or("chart's"))),
            };
            if let Some(Err(problem)) = image.as_deref().map(super::pods::fixed) {
                let place = if below.is_string() { at.clone() } else { format!("{at}/tag") };
                findings.push(document.finding(&place, format!("image {:?} {problem}", image.unwrap_or_default())));
            }
        }
        images(document, below, at, findings);
        at.truncate(length);
    }
}
