# Everything a newcomer needs: `make demo` and `make test` work on a fresh machine with Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCHMARKS := cost manager data layout crossover cotrain proxy_epoch population precision coverage

.PHONY: demo test test-slow lint bench clean

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/thriftnas demo --out runs/demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow --timeout 1800

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed
	mkdir -p runs/bench
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks $$name --json runs/bench/$$name.json || exit 1; done

clean:
	rm -rf $(VENV) runs build *.egg-info
