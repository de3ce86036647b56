# Needs Python 3.11 or newer, make and a C++ compiler; `make` alone shows what there is.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DONE := $(VENV)/done
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
RECIPE := .build/pocket/venv
# The engine is built again when these change.
ENGINE := $(DONE)/engine-$(firstword $(shell printenv CMAKE_ARGS CC CXX CFLAGS CXXFLAGS 2>/dev/null | cksum 2>/dev/null))

.PHONY: help install demo test lint bench pocket clean

help:
	@echo "make install   everything into $(VENV); compiles llama.cpp once, for some minutes"
	@echo "make demo      install, then a model on this machine tells a story"
	@echo "make test      install, then lint, type checks and tests"
	@echo "make lint      the same without the tests"
	@echo "make bench     what the stream layer costs"
	@echo "make pocket    train the pocket model again, for about 70 minutes"
	@echo "make clean     remove $(VENV) and caches; what was compiled stays in .build"

install: $(DONE)/packages
	@echo "Installed. Try: $(BIN)/penstock chat"

demo: install
	@echo
	@echo '$$ penstock complete "Once upon a time" --seed 7'
	@$(BIN)/penstock complete "Once upon a time" --seed 7
	@echo
	@echo '$$ penstock chat "What is the capital of France?"'
	@$(BIN)/penstock chat "What is the capital of France?" --temperature 0

test: lint
	@$(BIN)/python tests/fetch_templates.py --into .build/templates
	@echo "== pytest"
	@$(BIN)/python -m pytest

lint: $(DONE)/tools
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "== mypy"
	@$(BIN)/mypy
	@$(BIN)/mypy tests/typing
	@echo "== pyright"
	@$(BIN)/pyright
	@echo "== import-linter"
	@$(BIN)/lint-imports --no-logo

bench: $(DONE)/tools
	@$(BIN)/python -m pytest benchmarks --benchmark-only -o addopts=--import-mode=importlib \
		-o python_files='bench_*.py' -o python_functions='bench_*'

pocket: $(RECIPE)/done
	cd plugins/pocket && ../../$(RECIPE)/bin/python -m recipe.make

clean:
	rm -rf $(VENV) dist .benchmarks .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find backends benchmarks core plugins tests -name __pycache__ -prune -exec rm -rf {} +

# Each step leaves a stamp, so that it is done again only when what it was made from changes.

$(DONE)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Penstock needs Python 3.11 or newer. Name one: make PYTHON=python3.12 install"; exit 1; }
	@test -x $(BIN)/python || { echo "== $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@mkdir -p $(DONE)
	@touch $@

$(DONE)/pip: constraints.txt $(DONE)/venv
	@echo "== pip"
	@$(PIP) pip
	@touch $@

$(ENGINE): backends/llamacpp/build_engine.py constraints.txt $(DONE)/pip
	@echo "== llama.cpp"
	@$(BIN)/python backends/llamacpp/build_engine.py --into .build/wheels --constraint constraints.txt
	@touch $@

$(DONE)/packages: pyproject.toml backends/ctransformers/pyproject.toml backends/llamacpp/pyproject.toml backends/openai/pyproject.toml plugins/pocket/pyproject.toml plugins/sources/pyproject.toml $(ENGINE)
	@echo "== penstock"
	@$(PIP) --editable . --editable backends/ctransformers --editable backends/llamacpp \
		--editable backends/openai --editable plugins/pocket --editable plugins/sources
	@touch $@

$(DONE)/tools: $(DONE)/packages
	@echo "== tools for tests"
	@$(PIP) --group dev
	@touch $@

$(RECIPE)/done: plugins/pocket/recipe/requirements.txt
	@test -x $(RECIPE)/bin/python || $(PYTHON) -m venv $(RECIPE)
	$(RECIPE)/bin/python -m pip --disable-pip-version-check install --requirement plugins/pocket/recipe/requirements.txt
	@touch $@
