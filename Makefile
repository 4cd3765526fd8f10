# One verb per job, the same here and in CI. `make` alone lists them.
# Needs: Python 3.11 or 3.12 with venv, make, and the package registry. Nothing else.

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= python3.11 python3.12 python3
DEMO  ?=
TESTS ?= tests
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check prove bench bench-peers lock format clean

help:  ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(STAMP)  ## make the virtual environment from the lock file (once per lock)

$(STAMP): requirements.lock pyproject.toml
	@python=; for candidate in $(PYTHON); do \
	  if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
	    2>/dev/null; then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "Headrace needs Python 3.11 or 3.12; tried: $(PYTHON)." >&2; \
	  echo "On Debian 12: apt-get install python3 python3-venv; or: make setup PYTHON=/path/to/python3.11" >&2; \
	  exit 1; fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$python has no venv module. On Debian: apt-get install python3-venv" >&2; exit 1; fi; \
	echo "Making $(VENV) with $$python from requirements.lock …"; \
	"$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## replay real flights through everything; options in DEMO="--days 60"
	@$(BIN)/headrace demo $(DEMO)

test: $(STAMP)  ## all tests but the long proofs; some of them with TESTS=tests/infra
	$(BIN)/python -m pytest -q -m "not slow" -n 2 --dist loadfile $(TESTS)

check: $(STAMP)  ## formatter, linter, strict types, import order of the rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

prove: $(STAMP)  ## the long proofs: crash storms, fuzz, soak
	$(BIN)/python -m pytest -q -m slow --timeout 1800 $(TESTS)

bench: $(STAMP)  ## latency idle and busy, freshness, faults; options of latency in BENCH="--seconds 20"
	$(BIN)/headrace bench latency --own-stack --out reports/bench/idle $(BENCH)
	$(BIN)/headrace bench latency --events-rate 500 --labels-rate 100 --out reports/bench/busy $(BENCH)
	$(BIN)/headrace bench freshness --out reports/bench
	$(BIN)/headrace bench chaos --out reports/bench

bench-peers: $(STAMP)  ## endpoint and features beside other servers and streams, installed on demand
	$(BIN)/headrace bench peers --out reports/bench

format: $(STAMP)  ## let the formatter and the linter mend what they can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(STAMP)  ## resolve pyproject.toml again into requirements.lock
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host --extra dev --strip-extras --allow-unsafe \
	  -o requirements.lock pyproject.toml

clean:  ## remove what was made here: environment, caches, demo homes, reports
	rm -rf $(VENV) .headrace reports .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
