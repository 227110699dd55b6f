# syntax=docker/dockerfile:1
# The Python side, one stage for each image: docker build -f deploy/images/python.Dockerfile --target orchestration .
FROM python:3.11.13-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --system --uid 10001 --user-group --create-home --home-dir /work --shell /usr/sbin/nologin kubetrader
WORKDIR /work

# Dagster and dbt: the code location, and every run's pod.
FROM base AS orchestration
COPY orchestration/requirements.txt /tmp/
RUN pip install --require-hashes --no-deps -r /tmp/requirements.txt
COPY --chown=10001:10001 orchestration /work/orchestration
ENV PYTHONPATH=/work/orchestration
USER 10001:10001
EXPOSE 3030

# A research kernel: what notebooks compute with. It has no shell login and no way to become another user.
FROM base AS kernel
COPY research/requirements.txt /tmp/
RUN pip install --require-hashes --no-deps -r /tmp/requirements.txt
USER 10001:10001

# The kernel specifications that the gateway reads, with the gateway's own launcher. They name the kernel
# image that the same commit builds.
FROM base AS kernelspecs
ARG COMMIT
COPY deploy/images/gateway-requirements.txt /tmp/
COPY deploy/research/kernels /kernels
RUN pip download --require-hashes --no-deps --no-binary :all: -d /tmp/gateway -r /tmp/gateway-requirements.txt \
    && tar -xzf /tmp/gateway/*.tar.gz --strip-components=1 -C /tmp/gateway \
    && for size in small medium large; do \
         cp /tmp/gateway/etc/kernel-launchers/kubernetes/scripts/launch_kubernetes.py /kernels/$size/scripts/ \
         && sed -i -E "s/(kubetrader\/kernel:)[0-9a-f]{40}/\1${COMMIT:?the commit being built}/" \
              /kernels/$size/scripts/kernel-pod.yaml.j2; \
       done \
    && rm -rf /tmp/gateway
USER 10001:10001
