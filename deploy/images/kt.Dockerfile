# syntax=docker/dockerfile:1
# One image for every service that we write: docker build -f deploy/images/kt.Dockerfile .
FROM node:20.19.5-bookworm-slim AS page
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN --mount=type=cache,target=/var/cache/npm npm ci --cache /var/cache/npm --no-audit --no-fund
COPY web ./
RUN npm run --silent build

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
# The page is part of the binary.
COPY --from=page /src/web/dist web/dist
# An image's context has no history: results name the commit that they were made with.
ARG COMMIT
ENV KT_COMMIT=${COMMIT}
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p kt && cp target/release/kt /kt

FROM debian:12.8-slim
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin kubetrader \
    && install -d -o kubetrader -g kubetrader /var/lib/kubetrader/data
COPY --from=build /kt /usr/local/bin/kt
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/kt"]
