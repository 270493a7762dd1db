# What is run on this project, at the desk and in CI alike. Needs make and Python >= 3.11 with venv.
# The environments (.venv, .venv-validators, build/bench) are made on first use and made again
# when pyproject.toml changes.

# A shell that sets this would have every start compile all modules anew: 2 to 3 times slower.
unexport PYTHONDONTWRITEBYTECODE
.NOTPARALLEL:

PYTHON ?= python3
BIN := .venv/bin
VALIDATORS := $(CURDIR)/.venv-validators/bin/python
PIP := -m pip install --quiet --disable-pip-version-check
PYTEST := SPCONVERT_VALIDATORS=$(VALIDATORS) $(BIN)/pytest -n logical
CORE := tests/model tests/omezarr tests/test_validators.py
# The name alone may be a shim that fails, so each candidate has to run.
PYTHON312 = $(shell for p in python3.12 "$$(pyenv root 2>/dev/null)"/versions/3.12*/bin/python3.12; do \
	"$$p" -c 'import ensurepip, venv' 2>/dev/null && echo "$$p" && break; done)

.PHONY: demo test check check-all lint format types layers core validators docs formats-table bench fuzz clean

demo: .venv/ready  ## convert the sample image and show what was written
	@mkdir -p build/demo
	$(BIN)/spconvert -i testdata/nrrd/MR-head.nrrd -o build/demo/MR-head.ome.zarr --overwrite
	$(BIN)/spconvert inspect build/demo/MR-head.ome.zarr

test: .venv/dev validators  ## the whole suite, but for what takes minutes
	$(PYTEST) -m "not slow and not peers"

check: lint types layers test core docs  ## what CI runs

check-all: check fuzz  ## and what takes minutes, or needs other tools
	$(PYTEST) -m "slow or peers" || [ $$? -eq 5 ]  # 5: no such test

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: .venv/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: .venv/dev
	$(BIN)/mypy

layers: .venv/dev
	$(BIN)/lint-imports

core: validators  ## the core of the suite once more, on Python 3.12
	@if [ -x .venv-validators/bin/python3.12 ]; \
	then SPCONVERT_VALIDATORS=$(VALIDATORS) $(VALIDATORS) -m pytest -n logical -m "not slow and not peers" $(CORE); \
	else echo "core: skipped, neither python3.12 nor pyenv has a Python 3.12"; fi

fuzz: .venv/dev validators  ## the property-based tests with many more examples
	$(PYTEST) -m hypothesis --hypothesis-profile=fuzz

docs: .venv/docs
	$(BIN)/mkdocs build --strict --quiet

formats-table: .venv/ready  ## write the table of formats into the documentation
	$(BIN)/python docs/formats_table.py

bench: .venv/dev build/bench/ngff-zarr/ready  ## side by side: ngff-zarr, and each format's library
	$(BIN)/python benchmarks/bench.py --peer build/bench/ngff-zarr/bin/ngff-zarr
	$(BIN)/python benchmarks/reading.py --document

clean:
	rm -rf .venv .venv-validators build dist site

validators: .venv-validators/ready

.venv/ready: pyproject.toml
	$(BIN)/python -c "" 2>/dev/null || $(PYTHON) -m venv --clear .venv
	$(BIN)/python $(PIP) -e .
	@touch $@

.venv/dev: .venv/ready
	$(BIN)/python $(PIP) -e '.[dev]'
	@touch $@

.venv/docs: .venv/ready
	$(BIN)/python $(PIP) -e '.[docs]'
	@touch $@

# ome-zarr-models needs Python 3.12; without one the other two validators run where they can.
.venv-validators/ready: pyproject.toml
	$(or $(PYTHON312),$(PYTHON)) -m venv --clear .venv-validators
	$(VALIDATORS) $(PIP) 'ngff-zarr[validate]>=0.50' 'yaozarrs>=0.3' fsspec
	[ ! -x .venv-validators/bin/python3.12 ] || $(VALIDATORS) $(PIP) 'ome-zarr-models>=1.8' \
		-e . pytest pytest-xdist psutil hypothesis SimpleITK jsonschema tensorstore
	@touch $@

build/bench/ngff-zarr/ready:
	$(PYTHON) -m venv --clear build/bench/ngff-zarr
	build/bench/ngff-zarr/bin/python $(PIP) 'ngff-zarr[cli]>=0.50' itk-io itk-filtering
	@touch $@
