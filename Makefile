# Everything runs inside a virtual environment that these targets make themselves. It is made again
# where PYTHON names another interpreter. To keep both: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test,lint
SCENARIO ?=
TCP_PORT ?=
WS_PORT ?=
CONTROL_PORT ?=
PYTEST_ARGS ?=
# Four more than there are cores, as some tests wait for what a network or a process does.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 4)))
# For pip: a file of versions to install, such as tests/minimum.txt.
CONSTRAINTS ?=

comma := ,
BIN := $(VENV)/bin
PORTS = $(if $(TCP_PORT),--tcp-port $(TCP_PORT)) $(if $(WS_PORT),--ws-port $(WS_PORT))

.DEFAULT_GOAL := help
.PHONY: help run test test-quick test-minimum lint format guides bench clean environment

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: EXTRAS := control
run: environment ## start an outlet on 127.0.0.1, TCP 3333, WebSocket 8080, page 3334 (SCENARIO=name, TCP_PORT=, WS_PORT=, CONTROL_PORT= for others)
	@INVIS_SIM_STARTED_BY=make exec $(BIN)/invis-sim run $(SCENARIO) $(PORTS) --control $(CONTROL_PORT)

# Byte code is kept even where the environment forbids it: the suite starts many processes, and
# compiling everything again in each of them is much of what it costs.
test: environment ## run the whole suite
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

# What does no I/O.
QUICK := protocol schema device faults journal commands scenario
test-quick: environment ## test what does no I/O, in half a minute
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist worksteal $(addprefix tests/,$(QUICK)) $(PYTEST_ARGS)

test-minimum: ## run the suite with the oldest versions that pyproject.toml allows
	@$(MAKE) --no-print-directory test VENV=.venv-minimum EXTRAS=test CONSTRAINTS=tests/minimum.txt

lint: environment ## check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: environment ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

guides: environment ## write the reference parts of invis_sim/guides from the code
	$(BIN)/python -m tests.guides.reference

bench: EXTRAS := test,lint,bench
bench: environment ## measure against hand-written servers, side by side
	$(BIN)/python -m tests.bench $(BENCH_ARGS)

clean: ## remove everything that these targets made
	rm -rf .venv .venv-* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Pip would take minutes to find out that a Python is too old, and say so in many words.
CHECK_PYTHON := import sys; sys.version_info >= (3, 11) or sys.exit("invis-sim needs Python 3.11 or later, and \
	$(PYTHON) is Python %d.%d; name another, as in: make run PYTHON=python3.12" % sys.version_info[:2])
IDENTITY := import sys; print(getattr(sys, "base_prefix", ""), sys.version)

environment: STAMP = $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))
environment:
	@command -v $(PYTHON) >/dev/null || { echo 'make: there is no $(PYTHON); name another Python, as in: make run PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c '$(CHECK_PYTHON)'
	@if [ -e $(VENV) ] && [ ! -e $(VENV)/pyvenv.cfg ]; then \
		echo 'make: $(VENV) is there and no virtual environment; name another, as in: make run VENV=.venv-other' >&2; exit 1; \
	fi
# An interpreter that was named is the one to use. The default one may have become another since.
ifneq ($(origin PYTHON),file)
	@if [ -x $(BIN)/python ] && [ "$$($(BIN)/python -c '$(IDENTITY)')" != "$$($(PYTHON) -c '$(IDENTITY)')" ]; then \
		rm -rf $(VENV); \
	fi
endif
# The environment of an old Python, which may have been made by an earlier attempt.
	@if [ -x $(BIN)/python ] && ! $(BIN)/python -c '$(CHECK_PYTHON)' 2>/dev/null; then rm -rf $(VENV); fi
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear $(VENV)
# The stamp is newer than pyproject.toml only when what that asks for is installed.
	@for file in pyproject.toml $(CONSTRAINTS); do \
		[ -e $(STAMP) ] && [ ! $$file -nt $(STAMP) ] || { \
			$(BIN)/python -m pip install --quiet --disable-pip-version-check \
				$(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) --editable '.[$(EXTRAS)]' && touch $(STAMP) || exit 1; \
		}; \
	done
