"""Asks Dagster itself for the Kubernetes job that a run would become with our run launcher's values.

Reads a JSON object {"image", "pull_policy", "run_k8s_config", "tags"} and prints the job.
"""

import json
import sys

from dagster_k8s.job import DagsterK8sJobConfig, UserDefinedDagsterK8sConfig, construct_dagster_k8s_job

asked = json.load(sys.stdin)
job = construct_dagster_k8s_job(
    DagsterK8sJobConfig(
        job_image=asked["image"], dagster_home="/opt/dagster/dagster_home", image_pull_policy=asked["pull_policy"],
        env_secrets=asked["env_secrets"],
    ),
    ["dagster", "api", "execute_run"],
    "dagster-run-1",
    user_defined_k8s_config=UserDefinedDagsterK8sConfig.from_dict(asked["run_k8s_config"]),
)
json.dump(job.to_dict() if hasattr(job, "to_dict") else job, sys.stdout, default=str)
