# Everything a fresh clone needs, from set-up to a finished study. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# The demo's settings, e.g. `make demo TRIALS=4 SERVE=0`.
TRIALS ?= 10
SERVE ?= 1
PORT ?= 8050

# Tests run side by side; each process takes one thread. `make test JOBS=8` on a larger machine.
# A module with expensive fixtures is an `xdist_group`: one process runs all of it and builds them once.
JOBS ?= 2
SIDE_BY_SIDE := -n $(JOBS) --dist loadgroup tests/contract tests/unit
# These start Ray, servers and browsers of their own, mostly wait for them, and share what a file sets up.
FILE_BY_FILE := -n $(JOBS) --dist loadfile tests/integration tests/e2e tests/test_repository.py

# One thread per process: a study's workers already share the cores out among themselves.
export OMP_NUM_THREADS := 1
# Dozens of processes import the same files, which Python compiles once if it may keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup browser lint types unit coverage test test-soak test-fast pictures demo clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: $(INSTALLED)  ## create .venv and install gatefront with its development tools

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "gatefront needs Python 3.11 or newer; found $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	# torch first: its pin then decides the build that everything else is resolved against.
	$(BIN)/python -m pip install --quiet "torch==2.13.0"
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	@touch $@

browser:  ## make sure chromium is there for the browser test
	@scripts/install-browser.sh

lint: $(INSTALLED)  ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

types: $(INSTALLED)  ## types alone
	$(BIN)/mypy

unit: $(INSTALLED)  ## unit tests alone, without the slow ones: make unit PKG=search/results
	$(BIN)/pytest -q -m "not slow and not soak" -n $(JOBS) --dist loadgroup tests/unit/$(PKG)

coverage: $(INSTALLED)  ## share of the lines that unit and contract tests run, per package
	$(BIN)/pytest -q -m "not slow and not soak" $(SIDE_BY_SIDE) --cov=spaces --cov=trainer --cov=search --cov=dashboards --cov-report=
	@for package in spaces trainer search dashboards; do \
		echo "$$package: $$($(BIN)/coverage report --include="$$package/*" --format=total) %"; \
	done

test: $(INSTALLED) browser lint  ## style, types, layers, all tests but the soak
	$(BIN)/pytest -m "not soak" $(SIDE_BY_SIDE)
	$(BIN)/pytest -m "not soak" $(FILE_BY_FILE)

test-soak: $(INSTALLED) browser  ## tests of minutes: many kills, long load, very large studies
	$(BIN)/pytest -m soak tests

test-fast: $(INSTALLED) lint  ## the same without slow tests and without a browser
	$(BIN)/pytest -m "not slow and not soak" $(SIDE_BY_SIDE)
	$(BIN)/pytest -m "not slow and not soak" $(filter-out tests/e2e,$(FILE_BY_FILE))

pictures: $(INSTALLED) browser  ## the README's pictures: the browser test, run on the demo's study
	GATEFRONT_PICTURES=docs/pictures $(BIN)/pytest tests/e2e/test_study_in_browser.py

demo: $(INSTALLED)  ## a whole study on built-in data: TRIALS=10 SERVE=1 PORT=8050
	@TRIALS=$(TRIALS) SERVE=$(SERVE) PORT=$(PORT) scripts/demo.sh

clean:  ## remove caches and the virtual environment; runs/ is yours and stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
