//! Research kernels run users' code: nothing may let one read the platform's secrets.
//!
//! The ways are: a role in Kubernetes, an external secret, and the network (the platform's pods, the nodes'
//! metadata service, the Kubernetes API).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Finding;
use crate::overlay::Rendered;

/// What a kernel may reach in other namespaces: namespace, port.
const REACHABLE: &[(&str, &str)] = &[("kube-system", "53"), ("kubetrader", "8123"), ("gateway", "8877")];
/// Address ranges a kernel may reach: the Pod Identity agent of its node.
const AGENT: &str = "169.254.170.23/32";
/// The widest range beside it: the subnet of the VPC's endpoints.
const WIDEST: u32 = 24;
/// What nobody's code may be given.
const PROTECTED: &[&str] = &["secrets", "pods/exec", "pods/attach", "serviceaccounts/token", "*"];
/// Groups that every service account is in.
const EVERYBODY: &[&str] = &["system:serviceaccounts", "system:authenticated", "system:unauthenticated"];

pub(super) fn check(all: &[Rendered]) -> Vec<Finding> {
    let research: BTreeSet<&str> = namespaces(all, "research");
    let platform: BTreeSet<&str> = namespaces(all, "platform");
    let mut findings = Vec::new();
    for rendered in all {
        match rendered.kind() {
            "RoleBinding" | "ClusterRoleBinding" => binding(all, rendered, &research, &mut findings),
            "NetworkPolicy" if research.contains(rendered.namespace()) => egress(rendered, &mut findings),
            "NetworkPolicy" if platform.contains(rendered.namespace()) => ingress(rendered, &research, &mut findings),
            "ExternalSecret" | "Secret" if research.contains(rendered.namespace()) => {
                let message = format!("{} {}: a kernel's namespace holds no secret", rendered.kind(), rendered.name());
                findings.push(rendered.finding("/metadata/namespace", message));
            }
            "ClusterSecretStore" => store(rendered, &mut findings),
            _ => {}
        }
    }
    findings
}

fn namespaces<'a>(all: &'a [Rendered], zone: &str) -> BTreeSet<&'a str> {
    let in_zone = |rendered: &&Rendered| {
        rendered.kind() == "Namespace" && rendered.object.text("/metadata/labels/kubetrader.io~1zone") == zone
    };
    all.iter().filter(in_zone).map(Rendered::name).collect()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn words(value: &Value, pointer: &str) -> Vec<String> {
    list(value, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn binding(all: &[Rendered], rendered: &Rendered, research: &BTreeSet<&str>, findings: &mut Vec<Finding>) {
    let reaches = |subject: &Value| {
        let text = |key: &str| subject.get(key).and_then(Value::as_str).unwrap_or_default();
        let group = text("name").strip_prefix("system:serviceaccounts:");
        research.contains(text("namespace"))
            || EVERYBODY.contains(&text("name"))
            || group.is_some_and(|namespace| research.contains(namespace))
    };
    if !list(&rendered.object.value, "/subjects").iter().any(reaches) {
        return;
    }
    let (kind, name) = (rendered.object.text("/roleRef/kind"), rendered.object.text("/roleRef/name"));
    let roles: Vec<&Rendered> = all.iter().filter(|role| role.kind() == kind && role.name() == name).collect();
    if roles.is_empty() {
        let message = format!(
            "{} {} gives kernels the role {name:?}, whose rules are not here: it may read secrets",
            rendered.kind(),
            rendered.name()
        );
        findings.push(rendered.finding("/roleRef/name", message));
    }
    for role in roles {
        for (index, rule) in list(&role.object.value, "/rules").iter().enumerate() {
            let given: Vec<String> =
                words(rule, "/resources").into_iter().filter(|name| PROTECTED.contains(&name.as_str())).collect();
            if !given.is_empty() {
                let message = format!("{kind} {name} lets a kernel use {} of the Kubernetes API", given.join(", "));
                findings.push(role.finding(&format!("/rules/{index}/resources"), message));
            }
        }
    }
}

/// What a kernel may reach.
fn egress(rendered: &Rendered, findings: &mut Vec<Finding>) {
    for (index, rule) in list(&rendered.object.value, "/spec/egress").iter().enumerate() {
        let at = format!("/spec/egress/{index}");
        let peers = list(rule, "/to");
        let ports: Vec<String> = ports(rule);
        if peers.is_empty() {
            findings.push(
                rendered.finding(&at, format!("NetworkPolicy {} lets a kernel reach everything", rendered.name())),
            );
        }
        for (number, peer) in peers.iter().enumerate() {
            if let Some((below, problem)) = peer_problem(number, peer, &ports) {
                let message = format!("NetworkPolicy {}: a kernel {problem}", rendered.name());
                findings.push(rendered.finding(&format!("{at}/{below}"), message));
            }
        }
    }
}

fn ports(rule: &Value) -> Vec<String> {
    let text = |port: &Value| match port.get("port") {
        Some(Value::String(name)) => name.clone(),
        Some(number) => number.to_string(),
        None => "any".into(),
    };
    let found: Vec<String> = list(rule, "/ports").iter().map(text).collect();
    if found.is_empty() { vec!["any".into()] } else { found }
}

/// Where in the rule the problem lies, and what it is.
fn peer_problem(number: usize, peer: &Value, ports: &[String]) -> Option<(String, String)> {
    let here = format!("to/{number}");
    if let Some(range) = peer.pointer("/ipBlock/cidr").and_then(Value::as_str) {
        return range_problem(range).map(|problem| (format!("{here}/ipBlock/cidr"), problem));
    }
    let name = peer.pointer("/namespaceSelector/matchLabels/kubernetes.io~1metadata.name").and_then(Value::as_str);
    let Some(name) = name else {
        // Without a namespace a selector means the policy's own: kernels among themselves.
        let problem = "may reach namespaces that are not named one by one";
        return peer.get("namespaceSelector").map(|_| (here, problem.into()));
    };
    if name == "kubetrader" && peer.pointer("/podSelector/matchLabels").is_none() {
        return Some((here, "may reach every pod of the platform; name the pods".into()));
    }
    let wrong = ports.iter().position(|port| !REACHABLE.contains(&(name, port.as_str())))?;
    let port = &ports[wrong];
    let problem = format!("may reach port {port} of namespace {name}, where the platform's secrets are within reach");
    Some((format!("ports/{wrong}"), problem))
}

fn range_problem(range: &str) -> Option<String> {
    if range == AGENT {
        return None;
    }
    let bits = range.split_once('/').and_then(|(_, bits)| bits.parse::<u32>().ok()).unwrap_or(0);
    if range.starts_with("169.254.") {
        return Some(format!("may reach {range}: the nodes' metadata service hands out the nodes' rights"));
    }
    (bits < WIDEST).then(|| format!("may reach {range}, and in it the Kubernetes API and the platform's engines"))
}

/// Who may come in from the kernels' namespaces, and to which port.
fn ingress(rendered: &Rendered, research: &BTreeSet<&str>, findings: &mut Vec<Finding>) {
    for (index, rule) in list(&rendered.object.value, "/spec/ingress").iter().enumerate() {
        let from_kernels =
            list(rule, "/from").iter().any(|peer| admits(peer, research)) || list(rule, "/from").is_empty();
        if let Some(port) = ports(rule).iter().find(|port| from_kernels && port.as_str() != "8123") {
            let message = format!("NetworkPolicy {} lets kernels in to port {port}", rendered.name());
            findings.push(rendered.finding(&format!("/spec/ingress/{index}"), message));
        }
    }
}

/// Whether a peer's selector takes in a namespace of kernels.
fn admits(peer: &Value, research: &BTreeSet<&str>) -> bool {
    let Some(selector) = peer.get("namespaceSelector") else { return false };
    let label = selector.pointer("/matchLabels/kubernetes.io~1metadata.name").and_then(Value::as_str);
    let named = list(selector, "/matchExpressions").iter().any(|expression| {
        words(expression, "/values").iter().any(|name| research.contains(name.as_str()) || name == "research")
    });
    match label {
        Some(name) => research.contains(name),
        None => named || list(selector, "/matchExpressions").is_empty(),
    }
}

fn store(rendered: &Rendered, findings: &mut Vec<Finding>) {
    let conditions = list(&rendered.object.value, "/spec/conditions");
    let open = conditions.iter().position(|condition| condition.to_string().contains("research"));
    if conditions.is_empty() || open.is_some() {
        let at = format!("/spec/conditions/{}/namespaceSelector/matchExpressions/0/values", open.unwrap_or(0));
        let message =
            format!("ClusterSecretStore {}: the kernels' namespace may ask it for any secret", rendered.name());
        findings.push(rendered.finding(&at, message));
    }
}
