//! Makes the committed schemas from what the projects themselves publish in their Go modules.
//!
//! Kept are the kinds that `deploy/` uses and the fields, types and required names of each; descriptions and
//! everything that only the API server evaluates are left out.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::Error;
use crate::document::Document;

/// Module folders, by version, as `go mod download` unpacks them.
const KUBERNETES: &str = "k8s.io/kubernetes@v1.36.3";
const CRDS: &[(&str, &[&str])] = &[
    ("sigs.k8s.io/karpenter@v1.14.1/pkg/apis/crds", &["karpenter.sh_nodepools.yaml"]),
    ("github.com/aws/karpenter-provider-aws@v1.14.1/pkg/apis/crds", &["karpenter.k8s.aws_ec2nodeclasses.yaml"]),
    (
        "github.com/argoproj/argo-cd/v3@v3.5.1/manifests/crds",
        &["application-crd.yaml", "applicationset-crd.yaml", "appproject-crd.yaml"],
    ),
    (
        "github.com/argoproj-labs/argocd-image-updater@v1.3.0/config/crd/bases",
        &["argocd-image-updater.argoproj.io_imageupdaters.yaml"],
    ),
    (
        "github.com/external-secrets/external-secrets@v1.3.2/config/crds/bases",
        &[
            "external-secrets.io_externalsecrets.yaml",
            "external-secrets.io_clustersecretstores.yaml",
            "generators.external-secrets.io_ecrauthorizationtokens.yaml",
        ],
    ),
];

/// Kinds of Kubernetes itself: the file of its OpenAPI description, its definition.
const CORE: &[(&str, &str, &[&str])] = &[
    (
        "api__v1",
        "io.k8s.api.core.v1",
        &[
            "Namespace",
            "ConfigMap",
            "Secret",
            "Service",
            "ServiceAccount",
            "PersistentVolumeClaim",
            "Pod",
            "ResourceQuota",
            "LimitRange",
        ],
    ),
    ("apis__apps__v1", "io.k8s.api.apps.v1", &["Deployment", "StatefulSet", "DaemonSet"]),
    ("apis__batch__v1", "io.k8s.api.batch.v1", &["Job", "CronJob"]),
    ("apis__policy__v1", "io.k8s.api.policy.v1", &["PodDisruptionBudget"]),
    ("apis__networking.k8s.io__v1", "io.k8s.api.networking.v1", &["NetworkPolicy"]),
    (
        "apis__rbac.authorization.k8s.io__v1",
        "io.k8s.api.rbac.v1",
        &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
    ),
    ("apis__scheduling.k8s.io__v1", "io.k8s.api.scheduling.v1", &["PriorityClass"]),
    ("apis__storage.k8s.io__v1", "io.k8s.api.storage.v1", &["StorageClass"]),
    (
        "apis__admissionregistration.k8s.io__v1",
        "io.k8s.api.admissionregistration.v1",
        &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"],
    ),
];

/// The file names and texts of all generated schemas, from the Go module cache.
///
/// # Errors
/// A module that is not in the cache, or a file in it that is not what it was.
pub fn schemas(modules: &Path) -> Result<Vec<(String, String)>, Error> {
    let mut files = vec![("kubernetes.json".to_owned(), core(modules)?)];
    for (folder, names) in CRDS {
        for name in *names {
            let path = modules.join(folder).join(name);
            let stem = name.trim_end_matches(".yaml").replace("-crd", "");
            files.push((format!("crd-{stem}.json"), custom(&path)?));
        }
    }
    Ok(files)
}

/// Where Go puts a module: capitals are written `!c`.
#[must_use]
pub fn has_modules(modules: &Path) -> bool {
    modules.join(KUBERNETES).exists() && CRDS.iter().all(|(folder, _)| modules.join(folder).exists())
}

/// The folders of all definitions of custom resources, for a real API server.
#[must_use]
pub fn custom_resources(modules: &Path) -> Vec<PathBuf> {
    CRDS.iter().flat_map(|(folder, names)| names.iter().map(move |name| modules.join(folder).join(name))).collect()
}

fn core(modules: &Path) -> Result<String, Error> {
    let (mut kinds, mut definitions) = (Map::new(), Map::new());
    for (file, package, names) in CORE {
        let path = modules.join(KUBERNETES).join(format!("api/openapi-spec/v3/{file}_openapi.json"));
        let text = std::fs::read_to_string(&path).map_err(|error| Error::file(&path, error))?;
        let whole: Value = serde_json::from_str(&text).map_err(|error| Error::file(&path, error))?;
        let all = whole.pointer("/components/schemas").and_then(Value::as_object);
        let all = all.ok_or_else(|| Error::file(&path, "holds no schemas"))?;
        for name in *names {
            let definition = format!("{package}.{name}");
            if !all.contains_key(&definition) {
                return Err(Error::file(&path, format!("has no {definition}")));
            }
            kinds.insert(kind_of(file, name), json!({"$ref": format!("#/definitions/{definition}")}));
            keep(&definition, all, &mut definitions);
        }
    }
    Ok(compact(&json!({"kinds": kinds, "definitions": definitions})))
}

/// `apis__apps__v1`, `Deployment` → `apps/v1/Deployment`.
fn kind_of(file: &str, name: &str) -> String {
    let version = file.trim_start_matches("apis__").trim_start_matches("api__").replace("__", "/");
    format!("{version}/{name}")
}

/// Copies a definition and all that it refers to.
fn keep(name: &str, all: &Map<String, Value>, kept: &mut Map<String, Value>) {
    if kept.contains_key(name) {
        return;
    }
    let Some(definition) = all.get(name) else { return };
    let mut definition = definition.clone();
    let mut wanted = Vec::new();
    trim(&mut definition, &mut wanted);
    kept.insert(name.to_owned(), definition);
    for other in wanted {
        keep(&other, all, kept);
    }
}

/// Drops what no check needs and points references into this file.
fn trim(value: &mut Value, wanted: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref") {
                let name = target.rsplit('/').next().unwrap_or_default().to_owned();
                *target = format!("#/definitions/{name}");
                wanted.push(name);
            }
            map.retain(|key, below| !dropped(key, below));
            map.iter_mut().for_each(|(_, below)| trim(below, wanted));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| trim(item, wanted)),
        _ => {}
    }
}

/// A property may be named `description` or `default` too: then its value is a mapping.
fn dropped(key: &str, value: &Value) -> bool {
    const WORDS: &[&str] = &["description", "title", "example", "default", "format"];
    let list = key.starts_with("x-kubernetes-")
        && !matches!(key, "x-kubernetes-preserve-unknown-fields" | "x-kubernetes-int-or-string");
    list || key == "externalDocs" || (WORDS.contains(&key) && !is_schema(key, value))
}

fn is_schema(key: &str, value: &Value) -> bool {
    let keywords = ["type", "$ref", "properties", "items", "x-kubernetes-preserve-unknown-fields", "allOf"];
    key != "example" && value.as_object().is_some_and(|map| keywords.iter().any(|word| map.contains_key(*word)))
}

fn custom(path: &Path) -> Result<String, Error> {
    let documents = Document::read(path).map_err(|finding| Error::file(path, finding.message))?;
    let definition = documents.first().ok_or_else(|| Error::file(path, "is empty"))?;
    let (group, kind) = (definition.text("/spec/group"), definition.text("/spec/names/kind"));
    let versions = definition.value.pointer("/spec/versions").and_then(Value::as_array);
    let mut kinds = Map::new();
    for version in versions.into_iter().flatten().filter(|version| version["served"] == true) {
        let mut schema = version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_default();
        trim(&mut schema, &mut Vec::new());
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            // The definition says "object"; the API server knows what metadata is.
            properties.insert(
                "metadata".into(),
                json!({"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}),
            );
        }
        kinds.insert(format!("{group}/{}/{kind}", version["name"].as_str().unwrap_or_default()), schema);
    }
    Ok(compact(&json!({"kinds": kinds})))
}

/// One line for each kind and definition: small, and a change is readable.
fn compact(value: &Value) -> String {
    let mut text = String::from("{");
    let parts = value.as_object().into_iter().flatten();
    for (index, (part, entries)) in parts.enumerate() {
        text.push_str(&format!("{}\n\"{part}\": {{", if index == 0 { "" } else { "," }));
        for (number, (name, entry)) in entries.as_object().into_iter().flatten().enumerate() {
            text.push_str(&format!("{}\n{}: {entry}", if number == 0 { "" } else { "," }, Value::from(name.as_str())));
        }
        text.push_str("\n}");
    }
    text.push_str("\n}\n");
    text
}
