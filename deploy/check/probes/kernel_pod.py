"""Renders a kernel's pod with the gateway's own launcher, from whatever a client of the gateway sends.

Arguments: the launcher's folder, the kernel's folder. Reads {"KERNEL_…": "value"} and prints the pod.
"""

import importlib.util
import json
import pathlib
import shutil
import sys
import tempfile

import yaml

launcher, kernel = (pathlib.Path(argument) for argument in sys.argv[1:3])
with tempfile.TemporaryDirectory() as folder:
    # The launcher reads the template beside itself, as in the image (deploy/images/python.Dockerfile).
    place = pathlib.Path(folder)
    shutil.copy(launcher / "launch_kubernetes.py", place)
    shutil.copy(kernel / "scripts/kernel-pod.yaml.j2", place)
    specification = importlib.util.spec_from_file_location("launch_kubernetes", place / "launch_kubernetes.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    keywords = {}
    for name, value in json.load(sys.stdin).items():
        # As the launcher does with the environment that it gets.
        keywords[name.lower()] = yaml.safe_load(value) if name in module.YAML_PARSED_KERNEL_VARS else value
    text = module.generate_kernel_pod_yaml(keywords)
documents = [document for document in yaml.safe_load_all(text) if document]
json.dump(documents, sys.stdout)
