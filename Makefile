# The platform's front door. Two commands are enough: `make up` and `make test`.
# Options for kt go through ARGS, for example: make up ARGS="--port-offset 100"

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup web build up down test lint bench deploy-check

KT := target/release/kt
ARGS ?=

help:
	@echo "make up      install what is missing, build, start the platform, print the page's address"
	@echo "make down    stop the platform"
	@echo "make test    every test; ends with one line: N passed, N failed, N skipped"
	@echo "make lint    formatting and lints only"
	@echo "make bench   measure every stage; appends to benches/<date>-<host>.md"
	@echo "make deploy-check   check what deploy/ would bring to a cluster; names file and line"
	@echo "make setup   install what is missing (packages, users, engines)"

setup:
	@python3 setup/system.py setup
	@python3 setup/engines.py
	@python3 setup/python.py orchestration research-gateway research-kernel

# The page is built before the binary that carries it.
web/node_modules/.package-lock.json: web/package-lock.json web/package.json
	@echo "web: installing packages"
	@cd web && npm ci --loglevel=error --no-audit --no-fund
	@touch $@

WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' -not -path 'web/.build/*' 2>/dev/null)

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	@echo "web: building the page"
	@cd web && npm run --silent build
	@touch $@

web: web/dist/index.html

build: setup web
	@cargo build --release --locked -p kt

up: build
	@$(KT) up --detach $(ARGS)

down:
	@if [ -x $(KT) ]; then $(KT) down $(ARGS); else echo "nothing is built, so nothing runs"; fi

test: setup
	@python3 setup/system.py test
	@python3 setup/python.py tools
	@$(MAKE) --no-print-directory web
	@python3 tests/run.py

lint: web
	@python3 setup/python.py orchestration research-gateway research-kernel tools
	@python3 tests/run.py --lint

bench: build
	@$(KT) bench --append benches $(ARGS)

# Installs the tools that it asks, once; what cannot be had here is named and skipped.
deploy-check:
	@python3 setup/delivery.py
	@cargo run --quiet --profile ci --locked -p kt-deploy-check -- deploy
	@cargo test --quiet --profile ci --locked -p kt-deploy-check -- --show-output
