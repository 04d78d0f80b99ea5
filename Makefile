# Genkan's commands. Everything is set up in .venv on first use; only Python 3.11 with its venv module is needed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check bench clean

run: .venv/runtime
	$(BIN)/python -m genkan.admin.demo demo

test: .venv/development
	$(BIN)/python -m pytest $(ARGS)

check: .venv/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 tests/test_layers.py tests/test_docs.py

bench: .venv/development
	$(BIN)/python bench/bench.py $(ARGS)

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/runtime: requirements/runtime.txt pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --require-hashes -r requirements/runtime.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.venv/development: requirements/development.txt .venv/runtime
	$(BIN)/pip install --quiet --require-hashes -r requirements/development.txt
	touch $@

clean:
	rm -rf .venv demo bench/build .pytest_cache .mypy_cache .ruff_cache .hypothesis
