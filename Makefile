# `make demo`, `make test` and `make docs` set up .venv by themselves.
# The first Python of 3.11 to 3.13 that can make a virtual environment; name another one with PYTHON=...
FOUND := $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
PYTHON ?= $(FOUND)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
# A CPU build first, so that no CUDA build is pulled in. Where pip's own configuration offers the "+cpu" wheel it is
# taken; elsewhere set TORCH to the build you want, or let pip choose.
TORCH ?= torch==2.13.0

# Tests run in this many processes, one thread each.
WORKERS ?= 2

.PHONY: demo test test-all test-oldest bench docs lint types clean

demo: .venv/.ready
	$(BIN)/pyg-gears demo --out demo

# All tests but the slowest; `test-all` runs these too.
test: .venv/.ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

test-all: test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m slow

# Part of the tests with the lowest versions that setup.py allows, but for torch, whose builds are large. Needs Python 3.11 or 3.12.
test-oldest: .venv-oldest/.ready
	OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest -n $(WORKERS) -m "not slow" -o filterwarnings=default \
		tests/test_seeds.py tests/test_cli.py tests/cli/test_fit.py tests/cli/lab/test_experiment.py \
		tests/data/io/test_counts.py tests/encoders tests/graphs tests/layout

# Ratios against the last entry of this processor in docs/benchmarks/HISTORY.jsonl; fails when one is worse by more than 25 %.
bench: .venv/.ready
	$(BIN)/python examples/benchmarks/bench.py

docs: .venv/.docs
	$(BIN)/python -m sphinx -W --keep-going --quiet -j 2 docs docs/_build/html
	@echo "open docs/_build/html/index.html"

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.ready
	$(BIN)/mypy

.venv/.torch:
	@test -n "$(PYTHON)" || { echo "expected Python 3.11 to 3.13 with venv, found none; name one: make PYTHON=/path/to/python" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	@$(PIP) "$(TORCH)+cpu" > .venv/torch.log 2>&1 || $(PIP) "$(TORCH)"
	$(BIN)/python -m pip freeze | grep -i '^torch==' | sed 's/ @.*//' > .venv/constraints.txt || true
	@touch $@

.venv/.ready: setup.py .venv/.torch
	$(PIP) -c .venv/constraints.txt -e ".[plot,dev]"
	@touch $@

.venv-oldest/.ready: setup.py .venv/.torch
	$(PYTHON) -m venv .venv-oldest
	sed -n '/install_requires/,/\],/s/.*"\([A-Za-z_-]*\)>=\([0-9.]*\).*/\1==\2/p' setup.py | grep -v "^torch==" > .venv-oldest/lowest.txt
	.venv-oldest/bin/python -m pip install -qq --disable-pip-version-check -r .venv/constraints.txt
	.venv-oldest/bin/python -m pip install -qq --disable-pip-version-check -c .venv/constraints.txt -c .venv-oldest/lowest.txt -e ".[plot,dev]"
	@touch $@

.venv/.docs: setup.py .venv/.torch
	$(PIP) -c .venv/constraints.txt -e ".[plot,docs,tutorial]"
	@touch $@

clean:
	rm -rf .venv .venv-oldest demo docs/_build docs/api docs/figures docs/jupyter_execute
