# make demo and make test each do all their own set-up: a virtual environment, the pinned versions, then the run.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin
OUT ?= restored
STARTS ?= build/starts

export DO_NOT_TRACK = 1
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS = 180
export PREFECT_FLOWS_HEARTBEAT_FREQUENCY = 30

.PHONY: help demo test check bench serve starts zoom-starts
.DEFAULT_GOAL := help

help:  ## Say what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed  ## Restore two small collections on this machine and say where the pictures are
	$(BIN)/python -m benchmarks.demo --out $(OUT)

test: check  ## Lint, types, import contracts, then all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations 15

check: $(VENV)/.installed  ## Lint, types and import contracts alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed  ## Measure quality, speed, overhead and memory in a quarter of an hour; full tables: see CONTRIBUTING
	$(BIN)/python -m benchmarks --quick

starts: $(VENV)/.installed  ## Learn the bundled start again, into STARTS (an hour of one core; docs/starts.md)
	$(BIN)/selfmend learn --name grey --what small --steps 60000 --seed 17 --out $(STARTS)

LEARN = $(BIN)/selfmend learn --seed 17 --out $(STARTS)
zoom-starts: $(VENV)/.installed  ## Learn the starts of zssr again, into STARTS (an hour or two of one core; docs/meta.md)
	$(LEARN) --name zoom --what zoom --steps 20000
	$(LEARN) --name kernels --what kernels --steps 16000 --parent $(STARTS)/zoom.json
	$(LEARN) --name mzsr --what mzsr --steps 2000 --parent $(STARTS)/kernels.json
	$(LEARN) --name mlsr --what mlsr --steps 200 --parent $(STARTS)/zoom.json

serve: $(VENV)/.installed  ## Start a Prefect server with its pages at http://127.0.0.1:4200
	PREFECT_SERVER_API_HOST=127.0.0.1 $(BIN)/prefect server start

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e ".[dev]"
	touch $@
