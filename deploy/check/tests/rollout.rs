//! A service comes and goes by one folder, and what its pods are started with is what `kt` understands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use kt_deploy_check::Finding;
use kt_deploy_check::document::Document;
use kt_deploy_check::overlay::Overlay;
use serde_json::Value;

use crate::support::{Copy, root, schemas, skip, tools};

/// What somebody writes to bring a service to production: one folder.
const NEW_SERVICE: &str = r#"apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../../../base/service
components:
  - ../../../environments/prod
nameSuffix: -watch
labels:
  - pairs:
      app.kubernetes.io/name: kt-watch
    includeSelectors: true
patches:
  - target:
      kind: Deployment
    patch: |
      - op: add
        path: /spec/template/spec/containers/0/args
        value: ["console", "--config", "/etc/kubetrader/kubetrader.toml", "--set", "nats.username=kt-service", "--set", "warehouse.username=kt_service"]
      - op: add
        path: /spec/template/spec/containers/0/resources
        value: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: "1", memory: 256Mi}}
"#;

fn services(deploy: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for service in std::fs::read_dir(deploy.join("services")).expect("services/").flatten() {
        let environments = ["prod", "test"].map(|environment| service.path().join(environment));
        found.extend(environments.into_iter().filter(|path| path.join("kustomization.yaml").exists()));
    }
    found.sort();
    found
}

fn lines_of(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let count = |path: PathBuf| {
        if path.is_dir() { lines_of(&path) } else { std::fs::read_to_string(path).expect("text").lines().count() }
    };
    entries.map(count).sum()
}

#[test]
fn a_service_is_one_small_folder() {
    let services_folder = root().join("deploy/services");
    for service in std::fs::read_dir(services_folder).expect("services/").flatten() {
        let lines = lines_of(&service.path());
        assert!(lines <= 60, "{} has {lines} lines", service.path().display());
    }
    assert!(NEW_SERVICE.lines().count() <= 60);
}

#[test]
fn a_service_comes_and_goes_with_its_folder() {
    let Some(kustomize) = tools().kustomize else {
        return skip("adding a service: kustomize is not installed; run `python3 setup/delivery.py`");
    };
    let copy = Copy::of_deploy();
    let (schemas, before) = (schemas(), copy.check(&schemas(), &tools()));
    copy.write("services/watch/prod/kustomization.yaml", NEW_SERVICE);
    let with = copy.check(&schemas, &tools());
    assert_eq!(with.findings, before.findings, "the new folder is in order");
    assert_eq!(with.overlays, before.overlays + 1);
    let objects = build(&copy.path().join("services/watch/prod"), &kustomize).expect("it renders");
    let names: Vec<String> =
        objects.iter().map(|o| format!("{} {}", o.text("/kind"), o.text("/metadata/name"))).collect();
    for wanted in
        ["Deployment kt-watch", "Service kt-watch", "ServiceAccount kt-watch", "ExternalSecret kt-passwords-watch"]
    {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is not among {names:?}");
    }
    std::fs::remove_dir_all(copy.path().join("services/watch")).expect("removed");
    let after = copy.check(&schemas, &tools());
    assert_eq!((after.overlays, after.objects), (before.overlays, before.objects));
}

fn build(folder: &Path, kustomize: &Path) -> Result<Vec<Document>, Finding> {
    Overlay::read(folder, &[]).build(kustomize)
}

/// The binary that this build made, or the one that the environment names.
fn kt() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("KT_BINARY") {
        return Some(path.into());
    }
    // target/<profile>/deps/deploy-… → target/<profile>/kt
    let own = std::env::current_exe().ok()?;
    Some(own.parent()?.parent()?.join("kt")).filter(|path| path.exists())
}

/// Every service's arguments with the configuration that its pod mounts: read by `kt` itself.
#[test]
fn kt_understands_what_its_pods_are_started_with() {
    let (Some(kustomize), Some(kt)) = (tools().kustomize, kt()) else {
        return skip("pods' arguments: kustomize or kt is not built; set KT_BINARY or run the whole workspace's tests");
    };
    let scratch = tempfile::tempdir().expect("a folder");
    let mut seen = 0;
    for folder in services(&root().join("deploy")) {
        let objects = build(&folder, &kustomize).expect("it renders");
        let of = |kind: &str| objects.iter().find(|object| object.text("/kind") == kind).expect("it has one").clone();
        let file = scratch.path().join("kubetrader.toml");
        std::fs::write(&file, of("ConfigMap").text("/data/kubetrader.toml")).expect("write");
        let deployment = of("Deployment");
        let container = &deployment.value["spec"]["template"]["spec"]["containers"][0];
        let arguments: Vec<&str> =
            container["args"].as_array().expect("args").iter().filter_map(Value::as_str).collect();
        let (&command, rest) = arguments.split_first().expect("a command");
        assert!(run(&kt, &[command, "--help"]).contains("Usage: kt"), "{command}");
        let rest: Vec<String> = rest
            .iter()
            .map(|word| word.replace("/etc/kubetrader/kubetrader.toml", &file.display().to_string()))
            .collect();
        let mut words = vec!["config", "--effective"];
        words.extend(rest.iter().map(String::as_str));
        let effective: toml::Table = run(&kt, &words).parse().expect("TOML");
        matches_pod(command, &effective, container, &folder);
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} services");
}

/// The port that the pod names is the one the service listens on, and the secrets are mounted where it reads them.
fn matches_pod(command: &str, effective: &toml::Table, container: &Value, folder: &Path) {
    let port = effective[command].get("metrics_port").or(effective[command].get("port")).expect("a port").as_integer();
    assert_eq!(container["ports"][0]["containerPort"].as_i64(), port, "{}", folder.display());
    let mounts: BTreeMap<&str, &str> = container["volumeMounts"]
        .as_array()
        .expect("mounts")
        .iter()
        .filter_map(|mount| Some((mount["name"].as_str()?, mount["mountPath"].as_str()?)))
        .collect();
    for section in ["nats", "warehouse"] {
        let file = effective[section]["password_file"].as_str().expect("a path");
        assert!(file.starts_with(mounts["passwords"]), "{section}: {file} is not mounted");
    }
    assert_eq!(effective["platform"]["bind"].as_str(), Some("0.0.0.0"), "a probe must reach it");
}

fn run(program: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).env_remove("KT_DATA").current_dir("/").output().expect("kt starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What the Image Updater does to git: `kustomize edit` in the one folder that its write-back target names.
#[test]
fn a_tag_is_written_in_one_place_and_moves_every_service_of_the_environment() {
    let Some(kustomize) = tools().kustomize else {
        return skip("writing a tag: kustomize is not installed; run `python3 setup/delivery.py`");
    };
    let copy = Copy::of_deploy();
    let updater = build(&copy.path().join("image-updater/test"), &kustomize).expect("it renders");
    let rules = updater.iter().find(|object| object.text("/kind") == "ImageUpdater").expect("rules");
    let target = rules.text("/spec/writeBackConfig/gitConfig/writeBackTarget");
    let folder = target.strip_prefix("kustomization:/deploy/").expect("a folder of deploy/");
    let image = rules.text("/spec/applicationRefs/0/images/0/imageName");
    let name = rules.text("/spec/applicationRefs/0/images/0/manifestTargets/kustomize/name");
    let tag = "0123456789abcdef0123456789abcdef01234567";
    let edit = Command::new(&kustomize)
        .args(["edit", "set", "image", &format!("{name}={image}:{tag}")])
        .current_dir(copy.path().join(folder))
        .status();
    assert!(edit.expect("kustomize starts").success());
    for folder in services(&copy.path()) {
        let objects = build(&folder, &kustomize).expect("it renders");
        let deployment = objects.iter().find(|object| object.text("/kind") == "Deployment").expect("a deployment");
        let runs = deployment.text("/spec/template/spec/containers/0/image").to_owned();
        assert_eq!(runs == format!("{image}:{tag}"), folder.ends_with("test"), "{}: {runs}", folder.display());
    }
    assert!(copy.check(&schemas(), &tools()).findings.is_empty());
}
