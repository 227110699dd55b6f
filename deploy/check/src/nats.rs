//! The server's configuration as NATS's chart renders it from our values, for `nats-server -t`.
//!
//! The chart is on no package registry. What it does with our values is little and documented: it sets ports,
//! JetStream, routes and leaf nodes, lays `merge` over each part, and writes `<< x >>` without quotes.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Error;
use crate::document::Document;

/// Values of one environment: the common file with the environment's own laid over it.
///
/// # Errors
/// A values file that cannot be read.
pub fn values(root: &Path, environment: &str) -> Result<Value, Error> {
    let folder = root.join("values");
    let mut whole = json!({});
    for path in [folder.join("nats.yaml"), folder.join(environment).join("nats.yaml")] {
        let documents = Document::read(&path).map_err(|finding| Error::file(&path, finding.message))?;
        documents.into_iter().for_each(|document| merge(&mut whole, document.value));
    }
    Ok(whole)
}

/// Lays one mapping over another, as Helm does: mappings are joined, all else is replaced.
pub fn merge(into: &mut Value, over: Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (into, over) => *into = over,
    }
}

/// `nats.conf` for the server `name` of an environment whose data lies in `store`.
#[must_use]
pub fn render(values: &Value, name: &str, store: &str) -> String {
    let config = &values["config"];
    let on = |part: &str| config.pointer(&format!("/{part}/enabled")) == Some(&Value::Bool(true));
    let mut whole = json!({
        "server_name": name,
        "lame_duck_grace_period": "10s",
        "lame_duck_duration": "30s",
        "port": 4222,
    });
    if on("monitor") {
        whole["http_port"] = config["monitor"]["port"].clone();
    }
    if on("jetstream") {
        let memory = config.pointer("/jetstream/memoryStore/maxSize").and_then(Value::as_str).unwrap_or("0");
        let file = config.pointer("/jetstream/fileStore/pvc/size").and_then(Value::as_str).unwrap_or("0");
        let size = |text: &str| Value::String(format!("<< {text} >>"));
        whole["jetstream"] =
            json!({"store_dir": store, "max_memory_store": size(memory), "max_file_store": size(file)});
    }
    if on("cluster") {
        let count = config.pointer("/cluster/replicas").and_then(Value::as_u64).unwrap_or(3);
        let route = |index| json!(format!("nats://nats-{index}.nats-headless.kubetrader.svc.cluster.local:6222"));
        let routes: Vec<Value> = (0..count).map(route).collect();
        whole["cluster"] = json!({"name": "nats", "port": 6222, "no_advertise": true, "routes": routes});
        merge(&mut whole["cluster"], config["cluster"]["merge"].clone());
    }
    if on("leafnodes") {
        whole["leafnodes"] = json!({"port": 7422, "no_advertise": true});
        merge(&mut whole["leafnodes"], config["leafnodes"]["merge"].clone());
    }
    merge(&mut whole, config["merge"].clone());
    unquote(&whole)
}

/// JSON, which the server reads, with `"<< x >>"` as `x`: how the chart writes variables and sizes.
fn unquote(whole: &Value) -> String {
    let empty = Map::new();
    let map = whole.as_object().unwrap_or(&empty);
    let mut text = String::new();
    for (key, value) in map {
        text.push_str(&format!("{key}: {value:#}\n"));
    }
    text.replace("\"<< ", "").replace(" >>\"", "")
}
