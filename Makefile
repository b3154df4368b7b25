# Everything a newcomer needs: `make demo` and `make test` work on a fresh machine with Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test test-slow lint docs bench faults fuzz gpu-bundle wheel-check try try-lowest clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1@\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F@ '{printf "%-13s %s\n", $$1, $$2}'

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed  ## a study and a search on handwritten digits, five to fifteen minutes
	$(BIN)/thriftnas demo --out runs/demo
	$(BIN)/thriftnas econas search --data digits --resolution 8 --channels 8 --cells 5 --train 400 --val 900 --batch 24 \
		--setting c1r0s0e3 --signal train_loss --start 12 --parents 6,4,2 --promotions 4,2 --budget 300 --reference c0r0s0e12 \
		--finalists 4 --final-batch 24 --workers 2 --out runs/demo-search

test: $(VENV)/.installed  ## the tests, about twenty minutes on two cores
	$(BIN)/python -m pytest

test-slow: $(VENV)/.installed  ## kills, clusters, every documented command, full statistical grids
	$(BIN)/python -m pytest -m slow -n 0 --timeout 1800

lint: $(VENV)/.installed  ## ruff, formatting, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site in site/; its tutorials are run. QUICK=1 shows them unrun.
docs: $(VENV)/.docs  ## the documentation site in site/, whatever is wrong with it an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

bench: $(VENV)/.installed  ## every claim about speed in one table, with JSON in runs/bench
	mkdir -p runs/bench
	$(BIN)/python -m benchmarks table --json runs/bench/table.json

# Real faults, about 40 minutes; SEED= says which.
SEED ?= 0
faults: $(VENV)/.installed  ## real kills, full disks and damage
	mkdir -p runs/bench
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks faults --seed $(SEED) --json runs/bench/faults.json

# Every parser with inputs that are almost right; SIZE= of them, with SEED=.
SIZE ?= 1000000
fuzz: $(VENV)/.installed  ## every parser with inputs that are almost right
	mkdir -p runs/bench
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks fuzz --seed $(SEED) --mutations $(SIZE) --jobs 2 --json runs/bench/fuzz.json

# Images (DATA=cifar10, DATA=imagefolder:DIR) and wheels for a machine with a GPU: docs/gpu.md. MORE= is for further options.
gpu-bundle: $(VENV)/.installed  ## what to carry to a machine with a GPU
	$(BIN)/python -m benchmarks._gpu.bundle --data "$(DATA)" $(MORE)

# The wheel in an environment that holds nothing else, away from the checkout. DEMO= runs the whole demo.
DEMO ?= --time 60s
wheel-check:  ## the wheel, built and run in an empty environment
	rm -rf build  # what an earlier build left there would go into the wheel
	set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder" build' EXIT; bin="$$folder/venv/bin"; \
	$(PYTHON) -m venv "$$folder/venv"; \
	"$$bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$$folder" .; \
	"$$bin/python" -m zipfile --list "$$folder"/thriftnas-*.whl > "$$folder/contents"; \
	for file in $$(git ls-files '*.html' '*/py.typed'); do grep "^$$file " "$$folder/contents"; done; \
	if grep -E '^(benchmarks|tests)/' "$$folder/contents"; then exit 1; fi; \
	"$$bin/python" -m pip install --quiet --disable-pip-version-check "$$folder"/thriftnas-*.whl; \
	"$$bin/python" -m pip check; \
	unset PYTHONPATH; mkdir "$$folder/elsewhere"; cd "$$folder/elsewhere"; \
	"$$bin/thriftnas" --version; \
	"$$bin/thriftnas" zoo sample; \
	"$$bin/thriftnas" doctor; \
	"$$bin/thriftnas" demo $(DEMO)

# The tests on another Python, or with other versions, in an environment of its own (several GB, left for the next time).
TRY ?= .venv-$(notdir $(PYTHON))
WITH ?=
PYTEST ?=
try:  ## the tests on another Python: PYTHON=python3.13
	test -x $(TRY)/bin/python || $(PYTHON) -m venv $(TRY)
	$(TRY)/bin/python -m pip install --quiet --disable-pip-version-check uv  # pip searched over five minutes for the least versions
	$(TRY)/bin/uv pip install --quiet --python $(TRY)/bin/python --editable '.[dev]' $(WITH)
	$(TRY)/bin/python -m pip check
	$(TRY)/bin/python -m pytest $(PYTEST)

# The least that pyproject.toml allows, pymoo and ray aside. Beside them click and pyparsing of those years: of today's, typer
# 0.16 and matplotlib 3.8 use what is deprecated, and warnings are errors in tests.
LOWEST := torch==2.6.* torchvision==0.21.* numpy==1.26.* scipy==1.11.* pandas==2.1.* scikit-learn==1.3.* \
	typer==0.16.* click==8.2.* rich==13.* matplotlib==3.8.* pyparsing==3.1.* jinja2==3.1.* \
	onnx==1.17.* onnxruntime==1.20.* onnxscript==0.3.* pyarrow==15.*
try-lowest:  ## the tests on the least versions allowed
	$(MAKE) try TRY=.venv-lowest WITH="$(LOWEST)"

clean:  ## removes environments, runs and everything that was built
	rm -rf $(VENV) .venv-* runs build site *.egg-info
