//! What the software that reads it makes of it: nats-server, the gateway's launcher, Dagster, Terraform, Go's modules.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kt_deploy_check::document::Document;
use kt_deploy_check::{generate, nats};
use serde_json::{Value, json};

use crate::support::{root, skip, tools};

/// The server that `make setup` installs.
pub fn nats_server() -> Option<PathBuf> {
    let engines = std::env::var_os("KT_ENGINES").map_or_else(|| "/var/lib/kubetrader/engines".into(), PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share/kubetrader/engines"));
    [Some(engines), home].into_iter().flatten().map(|folder| folder.join("bin/nats-server")).find(|path| path.exists())
}

#[test]
pub fn nats_server_accepts_both_environments() {
    let Some(server) = nats_server() else { return skip("nats-server -t: no engines; run `make setup`") };
    let folder = tempfile::tempdir().expect("a folder");
    for environment in ["prod", "test"] {
        let values = nats::values(&root().join("deploy"), environment).expect("values");
        let text = nats::render(&values, "nats-0", &folder.path().join("store").display().to_string());
        let (accepted, said) = test_configuration(&server, folder.path(), &text, &values);
        assert!(accepted, "{environment}: {said}\n{text}");
        // The check can fail: a misspelt word would leave a user with every right.
        let wrong = text.replace("\"permissions\": ", "\"permisions\": ");
        assert!(!test_configuration(&server, folder.path(), &wrong, &values).0, "{environment} with a misspelt word");
    }
}

/// `nats-server -t` with the passwords that the container's environment names.
fn test_configuration(server: &Path, folder: &Path, text: &str, values: &Value) -> (bool, String) {
    let file = folder.join("nats.conf");
    std::fs::write(&file, text).expect("write");
    let mut command = Command::new(server);
    command.arg("-t").arg("-c").arg(&file);
    for (name, value) in values["container"]["env"].as_object().expect("the container's environment") {
        if value.get("valueFrom").is_some() {
            command.env(name, format!("p{}", name.to_lowercase()));
        }
    }
    command.env("URL_LEAF", "nats-leaf://test:p@127.0.0.1:7422");
    let output = command.output().expect("nats-server starts");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What a client of the gateway might send to get more than its size.
fn hostile() -> Value {
    json!({
        "KERNEL_ID": "0b5f6c1e-93a9-4b0e-8b5c-0d2f3d9b7a11\"\nspec:\n  hostNetwork: true\n---\nkind: Secret #",
        "KERNEL_NAMESPACE": "kubetrader",
        "KERNEL_IMAGE": "evil/image:latest",
        "KERNEL_SERVICE_ACCOUNT_NAME": "external-secrets",
        "KERNEL_POD_NAME": "x\n  hostPID: true",
        "KERNEL_CPUS": "64", "KERNEL_CPUS_LIMIT": "64", "KERNEL_MEMORY": "512Gi", "KERNEL_MEMORY_LIMIT": "512Gi",
        "KERNEL_GPUS": "8", "KERNEL_UID": "0", "KERNEL_GID": "0", "KERNEL_WORKING_DIR": "/etc",
        "KERNEL_VOLUMES": "[{name: host, hostPath: {path: /}}]",
        "KERNEL_VOLUME_MOUNTS": "[{name: host, mountPath: /host}]",
        "KERNEL_USERNAME": "{{ 7 * 7 }}",
    })
}

#[test]
fn a_hostile_client_changes_nothing_but_its_kernels_name() {
    let (Some(python), Some(gateway)) = (tools().python, tools().gateway) else {
        return skip("kernels' pods: the gateway's launcher is not installed; run `python3 setup/delivery.py`");
    };
    let launcher = gateway.join("etc/kernel-launchers/kubernetes/scripts");
    let probe = root().join("deploy/check/probes/kernel_pod.py");
    for size in ["small", "medium", "large"] {
        let kernel = root().join("deploy/research/kernels").join(size);
        let arguments = [&probe, &launcher, &kernel];
        let plain = ask(&python, &arguments, &json!({"KERNEL_ID": "0b5f6c1e-93a9-4b0e-8b5c-0d2f3d9b7a11"}));
        let attacked = ask(&python, &arguments, &hostile());
        assert_eq!(attacked.as_array().map(Vec::len), Some(1), "one object, a pod: {attacked}");
        let without_name = |mut pods: Value| {
            pods[0]["metadata"]["name"] = Value::Null;
            pods[0]["metadata"]["labels"]["kernel_id"] = Value::Null;
            pods
        };
        assert_eq!(without_name(plain.clone()), without_name(attacked), "{size}");
        let pod = &plain[0];
        assert_eq!((pod["kind"].as_str(), pod["metadata"]["namespace"].as_str()), (Some("Pod"), Some("research")));
        assert_eq!(pod["spec"]["serviceAccountName"], "kernel");
        assert_eq!(
            pod["spec"]["containers"][0]["resources"]["limits"],
            pod["spec"]["containers"][0]["resources"]["requests"]
        );
        assert_eq!(pod["spec"]["nodeSelector"]["kubetrader.io/pool"], format!("research-{size}"));
        // The pod itself is held against the strict schema.
        let document = Document::parse(&kernel, &pod.to_string(), 0).expect("JSON is YAML").remove(0);
        let problems = crate::support::schemas().problems(&document);
        assert!(problems.is_empty(), "{size}: {problems:?}");
    }
}

/// Without the launcher: the templates take nothing from a client but the kernel's identity.
#[test]
fn kernels_templates_name_one_variable() {
    for size in ["small", "medium", "large"] {
        let file = root().join("deploy/research/kernels").join(size).join("scripts/kernel-pod.yaml.j2");
        let text = std::fs::read_to_string(&file).expect("a template");
        assert!(!text.contains("{%"), "{size}: a template without branches is one that a client cannot steer");
        for piece in text.split("{{").skip(1) {
            let expression = piece.split("}}").next().unwrap_or_default();
            let other = expression.replace("kernel_id", "").replace("\"kernel-\"", "").replace("yaml_safe", "");
            let left: String = other.chars().filter(|c| !" ()~|".contains(*c)).collect();
            assert!(left.is_empty() && expression.contains("| yaml_safe"), "{size}: {{{{{expression}}}}}");
        }
    }
}

#[test]
fn dagster_sends_runs_to_the_spot_pool() {
    let Some(python) = tools().python else {
        return skip("Dagster's jobs: dagster-k8s is not installed; run `python3 setup/delivery.py`");
    };
    let values = Document::read(&root().join("deploy/values/dagster.yaml")).expect("values").remove(0).value;
    let launcher = &values["runLauncher"]["config"]["k8sRunLauncher"];
    let given = &launcher["runK8sConfig"];
    let snake = json!({
        "pod_template_spec_metadata": given["podTemplateSpecMetadata"],
        "pod_spec_config": given["podSpecConfig"],
        "container_config": given["containerConfig"],
        "job_spec_config": given["jobSpecConfig"],
    });
    let asked = json!({
        "image": "111122223333.dkr.ecr.ap-northeast-1.amazonaws.com/kubetrader/orchestration:1",
        "pull_policy": launcher["imagePullPolicy"], "env_secrets": ["dagster-run"], "run_k8s_config": snake,
    });
    let job = ask(&python, &[&root().join("deploy/check/probes/dagster_job.py")], &asked);
    let text = job.to_string();
    let pod = find(&job, &["spec", "template", "spec"]);
    let container = &pod["containers"][0];
    assert_eq!(pick(pod, "nodeSelector", "node_selector")["kubetrader.io/pool"], "backfill", "{text}");
    assert_eq!(pod["tolerations"][0]["value"], "backfill", "{text}");
    assert_eq!(container["resources"]["limits"], json!({"cpu": "4", "memory": "8Gi", "ephemeral-storage": "50Gi"}));
    let metadata = find(&job, &["spec", "template", "metadata"]);
    assert_eq!(metadata["annotations"]["karpenter.sh/do-not-disrupt"], "true", "{text}");
    let spec = find(&job, &["spec"]);
    assert_eq!(pick(spec, "backoffLimit", "backoff_limit"), &json!(0), "Dagster retries; Kubernetes must not too");
    assert_eq!(pick(pod, "restartPolicy", "restart_policy"), "Never");
}

fn find<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |at, step| &at[*step])
}

fn pick<'a>(value: &'a Value, one: &str, other: &str) -> &'a Value {
    value.get(one).or_else(|| value.get(other)).unwrap_or(&Value::Null)
}

/// Gives a probe a JSON value and reads the JSON that it prints.
fn ask(python: &Path, arguments: &[&PathBuf], input: &Value) -> Value {
    let mut command = Command::new(python);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("python starts");
    child.stdin.take().expect("piped").write_all(input.to_string().as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn schemas_are_what_their_projects_publish() {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let modules = std::env::var_os("GOMODCACHE").map_or_else(|| home.join("go/pkg/mod"), PathBuf::from);
    if !generate::has_modules(&modules) {
        return skip("schemas against their modules: not in Go's module cache; see deploy/check/schemas/README.md");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    for (name, text) in generate::schemas(&modules).expect("schemas") {
        let committed = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(committed == text, "{name} is not what the module says; run `deploy-check schemas`");
        assert!(text.len() < 1 << 20, "{name} is too large for the repository");
    }
}

#[test]
fn terraform_is_valid_and_its_tests_pass() {
    let mirror = std::env::var_os("KT_TERRAFORM_MIRROR").map_or_else(|| "/opt/tf-plugins".into(), PathBuf::from);
    let run = |words: &[&str], folder: &Path, settings: &Path| {
        Command::new("terraform").args(words).current_dir(folder).env("TF_CLI_CONFIG_FILE", settings).output()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("terraformrc");
    // The mirror's first folders are named after the registries it stands in for.
    let registries = std::fs::read_dir(&mirror).into_iter().flatten().flatten();
    let provider = registries.map(|entry| entry.path().join("hashicorp/aws/5.100.0")).any(|path| path.exists());
    if !provider || run(&["version"], folder.path(), &settings).is_err() {
        return skip("Terraform: it or its AWS provider 5.100.0 is not on this machine (KT_TERRAFORM_MIRROR)");
    }
    std::fs::write(&settings, format!("provider_installation {{ filesystem_mirror {{ path = {mirror:?} }} }}\n"))
        .expect("write");
    let infra = folder.path().join("infra");
    std::fs::create_dir_all(infra.join("tests")).expect("folders");
    for part in ["", "tests"] {
        for entry in std::fs::read_dir(root().join("deploy/infra").join(part)).expect("infra").flatten() {
            if entry.path().is_file() && !entry.file_name().to_string_lossy().starts_with('.') {
                std::fs::copy(entry.path(), infra.join(part).join(entry.file_name())).expect("a copy");
            }
        }
    }
    let steps: [&[&str]; 4] = [
        &["fmt", "-check", "-recursive", "-no-color"],
        &["init", "-backend=false", "-input=false", "-no-color"],
        &["validate", "-no-color"],
        &["test", "-no-color"],
    ];
    for words in steps {
        let output = run(words, &infra, &settings).expect("terraform starts");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "terraform {words:?}: {}", String::from_utf8_lossy(&said));
    }
}
