# Set up a virtual environment once, then run. Nothing here installs system packages.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Another index for torch alone, where the usual one offers only the CUDA build.
export TORCH_INDEX ?=
TORCH_FROM := $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))

.PHONY: demo test test-all test-ray test-packages lint bench clean help

help:
	@echo "make demo      14 market days of the example campaigns, on local Ray"
	@echo "make test      the tests (at most 12 minutes)"
	@echo "make test-all  the slow tests too (at most 40 minutes)"
	@echo "make lint      ruff and mypy"
	@echo "make bench     the figures of the README"
	@echo "TORCH_INDEX=URL chooses another package index for torch, PYTHON=path another interpreter"

$(STAMP): pyproject.toml setup.py constraints.txt tools/torch_source.py
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not here: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python tools/torch_source.py $(TORCH_FROM)
	$(BIN)/python -m pip install --quiet -c constraints.txt $(TORCH_FROM) torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/swarm run configs/campaigns --json runs/demo.json

# Tests that start clusters or environments run apart, one after another; all others side by side, a thread each.
RAY := tests/chaos tests/cli tests/cluster
PACKAGES := tests/test_contributing.py tests/test_wheel.py
ALONE := $(RAY) $(PACKAGES)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
BESIDE := --numprocesses 2 --dist worksteal $(ALONE:%=--ignore=%)

test: export PYTEST_ADDOPTS := -m "not slow"
test test-all: $(STAMP)
	$(PYTEST) $(BESIDE)
	$(MAKE) --jobs=2 --output-sync=target test-ray test-packages

test-ray: $(STAMP)
	$(PYTEST) $(RAY)

test-packages: $(STAMP)
	$(PYTEST) $(PACKAGES)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy swarm mechanisms policies benchmarks tools tests

bench: $(STAMP)
	$(BIN)/python -m benchmarks.runtime --json runs/runtime.json
	$(BIN)/python -m benchmarks.tuning --json runs/tuning.json
	$(BIN)/python -m benchmarks.mechanisms --json runs/mechanisms.json

clean:
	rm -rf $(VENV) runs build *.egg-info
