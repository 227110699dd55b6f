# syntax=docker/dockerfile:1
# The Python side, one stage for each image: docker build -f deploy/images/python.Dockerfile --target orchestration .
FROM python:3.11.13-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --system --uid 10001 --user-group --create-home --home-dir /home/kubetrader --shell /usr/sbin/nologin kubetrader
WORKDIR /home/kubetrader

# Dagster and dbt: the code location, and every run's pod, which Kubernetes' run launcher starts.
FROM base AS orchestration
COPY orchestration/requirements.txt deploy/images/run-launcher-requirements.txt /tmp/
RUN pip install --require-hashes --no-deps -r /tmp/requirements.txt \
    && pip install --require-hashes --no-deps -r /tmp/run-launcher-requirements.txt
COPY --chown=10001:10001 orchestration /home/kubetrader/orchestration
ENV PYTHONPATH=/home/kubetrader/orchestration
USER 10001:10001
EXPOSE 3030

# The gateway's own launchers, from its source at an exact version.
FROM base AS gateway
COPY deploy/images/gateway-requirements.txt /tmp/
RUN pip download --require-hashes --no-deps --no-binary :all: -d /gateway -r /tmp/gateway-requirements.txt \
    && tar -xzf /gateway/*.tar.gz --strip-components=1 -C /gateway
USER 10001:10001

# A research kernel: what notebooks compute with.
FROM base AS kernel
COPY deploy/images/kernel-requirements.txt /tmp/
RUN pip install --require-hashes --no-deps -r /tmp/kernel-requirements.txt
COPY --from=gateway --chmod=0755 /gateway/etc/kernel-launchers/bootstrap/bootstrap-kernel.sh /usr/local/bin/
COPY --from=gateway /gateway/etc/kernel-launchers/python /usr/local/bin/kernel-launchers/python
ENV KERNEL_LANGUAGE=python HOME=/home/kubetrader MPLCONFIGDIR=/tmp
USER 10001:10001
CMD ["/usr/local/bin/bootstrap-kernel.sh"]

# The kernel specifications that the gateway reads. They name the kernel image that the same commit builds.
FROM base AS kernelspecs
ARG COMMIT
COPY deploy/research/kernels /kernels
COPY --from=gateway /gateway/etc/kernel-launchers/kubernetes/scripts/launch_kubernetes.py /tmp/
RUN for size in small medium large; do \
         cp /tmp/launch_kubernetes.py /kernels/$size/scripts/ \
         && sed -i -E "s/(kubetrader\/kernel:)[0-9a-f]{40}/\1${COMMIT:?the commit being built}/" \
              /kernels/$size/scripts/kernel-pod.yaml.j2; \
       done
USER 10001:10001
