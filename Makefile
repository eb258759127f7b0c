# Everything runs inside a virtual environment that these targets make themselves.
# Another interpreter, another environment: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test,lint
SCENARIO ?=
PYTEST_ARGS ?=

comma := ,
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(INSTALLED) ## start an outlet on 127.0.0.1, TCP 3333, WebSocket 8080, page 3334 (SCENARIO=name for another)
	@exec $(BIN)/invis-sim run $(SCENARIO) --control

# Byte code is kept even where the environment forbids it: the suite starts many processes, and
# compiling everything again in each of them is much of what it costs.
test: $(INSTALLED) ## run the whole suite
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

lint: $(INSTALLED) ## check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(INSTALLED) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(INSTALLED) ## measure against hand-written servers, side by side
	$(BIN)/python -m tests.bench $(BENCH_ARGS)

clean: ## remove everything that these targets made
	rm -rf .venv .venv-* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is newer than pyproject.toml only when what pyproject asks for is installed.
$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@
