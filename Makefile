# make demo    see Patchbay at work, with nothing to install beforehand but Python 3.11 or newer
# make test    run every check; sets up the servers it needs where it may
# make help    the rest

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
BENCH ?=
PYTEST_ARGS ?=
NO_SERVERS := not postgres and not rabbitmq and not vcsim and not slow
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help install demo test test-fast lint types bench contract servers clean

help:  ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed-run  ## make .venv with patchbay in it, and nothing else

demo: $(VENV)/.installed-run  ## run the demo; ARGS=--check verifies it without a screen
	@$(BIN)/patchbay demo $(ARGS)

test: $(VENV)/.installed-dev servers  ## every check: lint, types, import rules, all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile $(PYTEST_ARGS)

test-fast: $(VENV)/.installed-dev  ## the tests that need no server
	$(BIN)/pytest -m "$(NO_SERVERS)" $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev  ## style and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-dev  ## mypy, strict
	$(BIN)/mypy

bench: $(VENV)/.installed-dev servers  ## every benchmark, one JSON document each; BENCH="bus decode" for some
	@$(BIN)/python -m bench $(BENCH)

contract: $(VENV)/.installed-dev  ## write the events' documents in docs/reference anew
	$(BIN)/patchbay contract export docs/reference

servers:  ## install the test servers' packages, as root on Debian or Ubuntu; else say what is missing
	@tests/servers/install.sh

clean:  ## remove what was built here
	rm -rf $(VENV) .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is built once per change of its lock file: the stamp is older than the lock, or it is not.
$(BIN)/python:
	@tools/make-venv "$(PYTHON)" $(VENV)

$(VENV)/.installed-run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing what requirements.lock lists into $(VENV)" >&2
	@$(PIP) install --require-hashes --only-binary :all: -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "installing what requirements-dev.lock lists into $(VENV)" >&2
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.installed-run
