# Every target that needs packages makes its own environment under .venv once and
# reuses it until pyproject.toml changes. Only Python 3.11 or newer has to be there.

PYTHON ?= python3
FAMILY ?= linear_model
JOBS   ?= 2

VENVS := test demo doc bench
bin    = .venv/$(1)/bin

.DEFAULT_GOAL := help
.PHONY: help test test-fast coverage lint format demo doc bench warmup wheel clean

help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' \
		$(firstword $(MAKEFILE_LIST))
	@echo "Variables: PYTHON=$(PYTHON) FAMILY=$(FAMILY) JOBS=$(JOBS)"

test: .venv/test/.stamp  ## Run all tests and doctests
	$(ONE_THREAD) $(call bin,test)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-fast: .venv/test/.stamp  ## Run the tests that are not marked slow
	$(ONE_THREAD) $(call bin,test)/python -m pytest -n $(JOBS) --dist worksteal \
		-m "not slow" $(ARGS)

coverage: .venv/test/.stamp  ## Run all tests and report line and branch coverage
	$(ONE_THREAD) $(call bin,test)/python -m pytest -n $(JOBS) --cov $(ARGS)

lint: .venv/test/.stamp  ## Check style and format
	$(call bin,test)/ruff check .
	$(call bin,test)/ruff format --check .

format: .venv/test/.stamp  ## Fix style and format
	$(call bin,test)/ruff check --fix .
	$(call bin,test)/ruff format .

demo: .venv/demo/.stamp  ## Run the demonstration on real data
	$(call bin,demo)/python examples/demo.py

doc: .venv/doc/.stamp  ## Build the documentation into doc/_build/html
	$(call bin,doc)/python -m sphinx -W --keep-going -b html doc doc/_build/html

bench: .venv/bench/.stamp  ## Run the benchmarks of FAMILY beside the peers
	$(call bin,bench)/python -m benchmarks $(FAMILY) $(ARGS)

warmup: .venv/demo/.stamp  ## Compile and cache all kernels
	$(call bin,demo)/python -m sparsestat.warmup

wheel: .venv/test/.stamp  ## Build the wheel into dist
	$(call bin,test)/python -m hatchling build -t wheel

clean:  ## Remove environments, caches and outputs
	rm -rf .venv .coverage .coverage.* .coverage_html .hypothesis .pytest_cache \
		.ruff_cache build dist doc/_build doc/auto_examples doc/api/generated
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The workers of a test run share the cores, so each gets one thread.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
	NUMBA_NUM_THREADS=1

.venv/test/.stamp:  EXTRAS := test,lint
.venv/demo/.stamp:  EXTRAS := demo
.venv/doc/.stamp:   EXTRAS := doc
.venv/bench/.stamp: EXTRAS := bench

$(VENVS:%=.venv/%/.stamp): .venv/%/.stamp: pyproject.toml
	$(PYTHON) -m venv .venv/$*
	$(call bin,$*)/python -m pip install --quiet --disable-pip-version-check \
		--editable ".[$(EXTRAS)]"
	@touch $@
