# Needs Python 3.11 or later, git and make; everything else goes into .venv.
SHELL := /bin/bash -o pipefail
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run local test chaos bench check clean

help:
	@echo "make run    repaint one photograph on a local cloud, and show how"
	@echo "make local  keep the local cloud running"
	@echo "make test   run all tests"
	@echo "make chaos  10,000 uploads with everything that can go wrong"
	@echo "make bench  measure it and the obvious alternative side by side"
	@echo "make check  lint and check types"
	@echo "make clean  remove what these made"

run: .venv/local
	@$(BIN)/python -m local run

local: .venv/local
	@$(BIN)/python -m local serve

test: .venv/dev
	@$(BIN)/python -m pytest -n auto

# 10,000 uploads with everything that can go wrong, on both ledgers; some 20 minutes.
chaos: .venv/dev
	@$(BIN)/python -m tests.chaos.run --readme

# Both side by side on the same local cloud; some ten minutes, on a machine that does nothing else.
bench: .venv/bench
	@$(BIN)/python -m bench --readme

check: .venv/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

clean:
	rm -rf .venv .repaint .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed, and $(PYTHON) is not it: name one with" \
	       "'make PYTHON=/path/to/python3.12'." >&2; exit 1; }
	@echo "setting up .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@touch $@

# A virtual environment for those who only run it, and more for those who test it.
.venv/%: .venv/python requirements.txt constraints.txt pyproject.toml
	@echo "installing packages"
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[$*]' \
	  | awk '/^(Collecting|Building|Installing|Successfully)/ { print "  " $$0; fflush() }'
	@touch $@
