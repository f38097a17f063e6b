# Everything from a fresh clone: Python 3.11+ and make are all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements

# Python keeps what it has compiled, also where it is told not to: otherwise each of its starts compiles all of allclear.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup drill up unit test bench check lint words types fields imports traceability reference format lock clean

help: ## Show what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/uv: $(LOCKS)/uv.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "allclear needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCKS)/uv.lock
	@touch $@

$(VENV)/.run: $(LOCKS)/run.lock pyproject.toml $(VENV)/bin/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r $(LOCKS)/run.lock -r $(LOCKS)/build.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(LOCKS)/dev.lock $(VENV)/.run
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r $(LOCKS)/dev.lock
	@touch $@

$(VENV)/.ready: $(VENV)/.run
	@$(BIN)/allclear prepare
	@touch $@

setup: $(VENV)/.ready ## Install everything into .venv
	@echo "Ready. Try: make drill"
	@command -v allclear >/dev/null || echo 'The command is $(BIN)/allclear. To type only allclear: export PATH="$(CURDIR)/$(BIN):$$PATH"'

SCENARIO ?=
drill: $(VENV)/.ready ## Play a whole incident (INTERACTIVE=1: you are asked; SCENARIO=name: which one)
	@$(BIN)/allclear drill $(SCENARIO) $(if $(INTERACTIVE),--interactive) $(ARGS)

up: $(VENV)/.ready ## Start Prefect, runner and responder (SIMULATED=1: a simulated production behind)
	@$(BIN)/allclear up $(if $(SIMULATED),--simulated) $(ARGS)

# Tests keep their files in memory where 4 GB are free there: each write to a journal waits for a disk otherwise.
unit test: export TMPDIR ?= $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 { print $$6 }')

unit: $(VENV)/.dev ## Run the fast tests, those of tests/unit, on SQLite alone
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q -m "not postgresql" tests/unit $(ARGS)

test: $(VENV)/.dev $(VENV)/.ready ## Run all tests (ARGS=--durations=25: name the slow ones)
	$(BIN)/python -m pytest -n 6 --dist loadfile --no-loadscope-reorder -q $(ARGS)

ROWS ?=
bench: $(VENV)/.ready ## Measure against a bare webhook, write docs/benchmarks.md (ROWS="1 2": print these only)
	@$(BIN)/python -m tests.benchmarks $(ROWS) $(ARGS)

check: lint words types fields imports ## Lint, plain words, spelling, types, fields that nothing reads, import contracts

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/wall_clock.py
	$(BIN)/python scripts/file_length.py

words: $(VENV)/.dev
	$(BIN)/python scripts/plain_words.py
	$(BIN)/codespell

types: $(VENV)/.dev
	$(BIN)/basedpyright

fields: $(VENV)/.dev
	$(BIN)/python scripts/unread_fields.py

imports: $(VENV)/.dev
	$(BIN)/lint-imports

traceability: $(VENV)/.ready ## Write docs/traceability.md: what runs each line of the plans
	$(BIN)/python -m allclear lines --page > docs/traceability.new
	mv docs/traceability.new docs/traceability.md

reference: $(VENV)/.ready ## Write docs/actions.md and docs/systems.md: what is installed, and which systems work
	$(BIN)/python -m allclear.reference

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock: $(VENV)/bin/uv ## Resolve the dependencies again
	echo 'uv' | $(COMPILE) - -o $(LOCKS)/uv.lock
	$(COMPILE) pyproject.toml -o $(LOCKS)/run.lock
	$(COMPILE) --group build -c $(LOCKS)/run.lock -o $(LOCKS)/build.lock
	$(COMPILE) pyproject.toml --group build --group dev -c $(LOCKS)/run.lock -o $(LOCKS)/dev.lock

clean: ## Remove the environment and everything that was made here
	rm -rf $(VENV) .allclear .pytest_cache .ruff_cache .hypothesis
