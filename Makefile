# Everything a newcomer needs: `make demo` and `make test` work on a fresh machine with Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow lint bench clean

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/thriftnas demo --out runs/demo
	$(BIN)/thriftnas econas search --data digits --channels 8 --cells 5 --train 400 --val 900 --batch 24 \
		--setting c3r0s0e3 --start 6 --parents 3,2,1 --promotions 2,1 --generations 5 --reference c0r0s0e10 --finalists 2 \
		--final-batch 24 --audits 1 --audit-share 0.3 --audit-networks 8 --workers 2 --out runs/demo-search

test: $(VENV)/.installed
	$(BIN)/python -m pytest

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow -n 0 --timeout 1800

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed
	mkdir -p runs/bench
	$(BIN)/python -m benchmarks table --json runs/bench/table.json

clean:
	rm -rf $(VENV) runs build *.egg-info
