//! What must not reach a cluster is refused, with the file and the line that a person has to change.

use crate::support::{Copy, schemas, skip, tools};

/// One mistake: file, what stands there, what somebody wrote instead, words of the message.
type Mistake = (&'static str, &'static str, &'static str, &'static str);

/// In files that hold whole objects: found without any tool.
const IN_OBJECTS: &[Mistake] = &[
    (
        "nodes/base/core.yaml",
        "  consolidateAfter:",
        "  consolidateAfterwards:",
        "no field /spec/disruption/consolidateAfterwards",
    ),
    ("base/service/deployment.yaml", "apps/v1\n", "apps/v1beta1\n", "apps/v1beta1/Deployment does not exist here"),
    ("secrets/base/store.yaml", "region: ap-northeast-1", "regoin: ap-northeast-1", "regoin; is it misspelt?"),
    ("argocd/base/apps/nats.yaml", "targetRevision: 2.14.0", "targetRevision: 2.x", "is no exact version"),
    ("argocd/base/apps/loki.yaml", "values/loki.yaml", "values/lokki.yaml", "there is no deploy/values/lokki.yaml"),
    ("argocd/base/apps/loki.yaml", "namespace: monitoring", "namespace: kube-public", "does not permit the namespace"),
    (
        "values/loki.yaml",
        "limits: {cpu: \"2\", memory: 3Gi}",
        "limit: {cpu: \"2\"}",
        "/singleBinary/resources/limits/cpu is missing",
    ),
    (
        "values/enterprise-gateway.yaml",
        "enterprise-gateway:3.3.0\n",
        "enterprise-gateway:dev\n",
        "has a tag that can move",
    ),
    ("image-updater/base/images.yaml", "updateStrategy:", "updateStrateggy:", "updateStrateggy; is it misspelt?"),
    ("data/base/clickhouse.yaml", "shardsCount:", "shardCount:", "shardCount; is it misspelt?"),
    ("foundation/base/storage.yaml", "reclaimPolicy: Retain", "reclaimPolicy Retain", "not YAML"),
];

/// Found in what Kustomize renders.
const IN_OVERLAYS: &[Mistake] = &[
    (
        "services/load/prod/kustomization.yaml",
        "requests: {cpu: \"2\", memory: 3Gi}, limits",
        "requests: {cpu: \"2\", memory: 3Gi}, limit",
        "has no field /spec/template/spec/containers/0/resources/limit",
    ),
    (
        "services/console/test/kustomization.yaml",
        "limits: {cpu: \"1\", memory: 512Mi}",
        "limits: {cpu: \"1\"}",
        "container kt has no resources.limits.memory",
    ),
    (
        "components/migrations/clickhouse.yaml",
        "limits: {cpu: \"1\", memory: 768Mi}",
        "limits: {memory: 768Mi}",
        "container flyway has no resources.limits.cpu",
    ),
    (
        "components/migrations/postgres.yaml",
        "key: postgres-url",
        "key: postgres-address",
        "has no key \"postgres-address\"",
    ),
    (
        "components/migrations/clickhouse.yaml",
        "name: migrations-passwords",
        "name: migration-passwords",
        "secret \"migration-passwords\" is made by nothing",
    ),
    ("values/nats.yaml", "key: feed}", "key: feeed}", "has no key \"feeed\""),
    (
        "values/dagster.yaml",
        "postgresqlSecretName: dagster-postgresql",
        "postgresqlSecretName: postgres",
        "secret \"postgres\" is made by nothing",
    ),
    ("environments/prod/kustomization.yaml", "newTag: ", "newTag: main # ", "our own images are tagged by commit"),
    ("data/base/keeper.yaml", "clickhouse-keeper:26.7.3", "clickhouse-keeper:latest", "has a tag that can move"),
    (
        "base/service/disruption-budget.yaml",
        "    matchLabels:\n      app.kubernetes.io/part-of: kubetrader",
        "    matchExpressions: []",
        "selects every pod of its namespace",
    ),
];

/// Ways in which a kernel could come to the platform's secrets.
const KERNELS: &[Mistake] = &[
    (
        "foundation/prod/network.yaml",
        "port: 8877}\n    # Bedrock",
        "port: 8888}\n    # Bedrock",
        "may reach port 8888 of namespace gateway",
    ),
    ("foundation/prod/network.yaml", "cidr: 10.0.64.0/24", "cidr: 0.0.0.0/0", "may reach 0.0.0.0/0"),
    (
        "foundation/prod/network.yaml",
        "cidr: 169.254.170.23/32",
        "cidr: 169.254.169.254/32",
        "the nodes' metadata service",
    ),
    (
        "secrets/base/store.yaml",
        "values: [\"platform\", \"operations\"]",
        "values: [\"platform\", \"research\"]",
        "may ask it for any secret",
    ),
    (
        "secrets/prod/production.yaml",
        "  namespace: dagster\n",
        "  namespace: research\n",
        "a kernel's namespace holds no secret",
    ),
];

fn refuse(mistakes: &[Mistake]) {
    let (schemas, tools) = (schemas(), tools());
    for (file, old, new, words) in mistakes {
        let copy = Copy::of_deploy();
        let line = copy.replace(file, old, new);
        let findings = copy.findings(&schemas, &tools);
        let found = findings.iter().find(|finding| finding.message.contains(words));
        let found = found.unwrap_or_else(|| panic!("{file}: {new:?} is not refused with {words:?}: {findings:#?}"));
        assert_eq!(found.file.to_string_lossy(), *file, "{found}");
        // A field that is missing is named at what it is missing from: within the lines around.
        assert!(found.line.abs_diff(line) <= 2, "{new:?} stands in line {line} but is named as {found}");
    }
}

#[test]
fn the_tree_is_in_order() {
    let report = Copy::of_deploy().check(&schemas(), &tools());
    assert!(report.findings.is_empty(), "{}", lines(&report.findings));
    assert!(report.objects > 60, "only {} objects were looked at", report.objects);
    if tools().kustomize.is_some() {
        assert!(report.overlays >= 15, "only {} overlays were rendered", report.overlays);
    }
}

fn lines(findings: &[kt_deploy_check::Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn mistakes_in_objects_are_named_by_file_and_line() {
    refuse(IN_OBJECTS);
}

#[test]
fn mistakes_in_overlays_are_named_by_file_and_line() {
    if tools().kustomize.is_none() {
        return skip("overlays: kustomize is not installed; run `python3 setup/delivery.py`");
    }
    refuse(IN_OVERLAYS);
}

#[test]
fn no_way_leads_from_a_kernel_to_a_secret() {
    if tools().kustomize.is_none() {
        return skip("kernels' policies: kustomize is not installed; run `python3 setup/delivery.py`");
    }
    refuse(KERNELS);
}

/// A role that is given to kernels and reads secrets.
#[test]
fn a_kernel_gets_no_role_that_reads_secrets() {
    if tools().kustomize.is_none() {
        return skip("kernels' roles: kustomize is not installed; run `python3 setup/delivery.py`");
    }
    let copy = Copy::of_deploy();
    copy.replace(
        "research/cluster/accounts.yaml",
        "    name: enterprise-gateway\n    namespace: gateway\n",
        "    name: kernel\n    namespace: research\n",
    );
    let schemas = schemas();
    assert!(copy.findings(&schemas, &tools()).is_empty(), "to list pods is no secret");
    let line =
        copy.replace("research/cluster/accounts.yaml", "resources: [\"pods\"]", "resources: [\"pods\", \"secrets\"]");
    let findings = copy.findings(&schemas, &tools());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((findings[0].file.to_str(), findings[0].line), (Some("research/cluster/accounts.yaml"), line));
    assert!(findings[0].message.contains("lets a kernel use secrets"), "{}", findings[0]);
}
