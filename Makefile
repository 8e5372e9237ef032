# Two commands: `make demo` and `make test`. Each sets up .venv by itself.
PYTHON ?= python3.11
BIN := .venv/bin
# A CPU build first, so that no CUDA build is pulled in. Where pip's own configuration offers the "+cpu" wheel it is
# taken; elsewhere set TORCH to the build you want, or let pip choose.
TORCH ?= torch==2.13.0

.PHONY: demo test lint types clean

demo: .venv/.ready
	$(BIN)/pyg-gears demo --out demo

test: .venv/.ready
	$(BIN)/python -m pytest

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.ready
	$(BIN)/mypy

.venv/.ready: setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)+cpu" \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/python -m pip freeze | grep -i '^torch==' | sed 's/ @.*//' > .venv/constraints.txt || true
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .venv/constraints.txt -e ".[plot,dev]"
	touch $@

clean:
	rm -rf .venv demo
