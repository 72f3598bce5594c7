# `make demo` plans the embedded city; `make test` runs the tests. Each does all of its own set-up in
# .venv and re-does only what changed: the name of a stamp carries the checksum of what it stands for.

ENV := .venv
BIN := $(ENV)/bin
STAMPS := $(ENV)/stamps
ARGS ?=

# The first Python from 3.11 to 3.13; `make demo PYTHON=/path/to/python3.12` names one outright.
PYTHON ?= python3 python3.13 python3.12 python3.11
PROBE := import os, sys; assert (3, 11) <= sys.version_info < (3, 14); \
	print(os.path.realpath(sys.executable))
BASE_PYTHON := $(firstword $(foreach python,$(PYTHON),$(shell $(python) -c '$(PROBE)' 2>/dev/null)))
# A Debian Python may come without ensurepip; then the pip outside installs into the environment.
PIP = $(if $(wildcard $(BIN)/pip),$(BIN)/python -m pip,$(BASE_PYTHON) -m pip --python $(BIN)/python) \
	install --quiet --disable-pip-version-check

checksum = $(shell { echo '$(1)'; cksum $(2); } | cksum | tr ' ' '-')
SOURCES := $(shell find src data -type f ! -name '*.pyc' | LC_ALL=C sort)
ENV_STAMP := $(STAMPS)/env-$(call checksum,$(CURDIR) $(BASE_PYTHON),/dev/null)
RUN_STAMP := $(STAMPS)/run-$(call checksum,run,requirements/run.txt)
AUDIT_STAMP := $(STAMPS)/audit-$(call checksum,audit,requirements/audit.txt)
DEV_STAMP := $(STAMPS)/dev-$(call checksum,dev,requirements/dev.txt)
SITING_STAMP := $(STAMPS)/siting-$(call checksum,siting,pyproject.toml README.md LICENSE $(SOURCES))

.DELETE_ON_ERROR:
.PHONY: help demo test browser notebooks lint types layers checks format requirements fuzz audit \
	sbom clean

help:
	@echo "make demo          plan the embedded city, and say where the site list and the map are"
	@echo "make test          run the tests (ARGS='-k word' to choose)"
	@echo "make browser       open the maps in headless Chromium, with the network blocked"
	@echo "make notebooks     execute every notebook"
	@echo "make checks        lint, types, layers"
	@echo "make requirements  compile requirements/*.txt anew (ARGS=--upgrade for newer releases)"
	@echo "make fuzz          fuzz every reader for an hour (ARGS='--seconds 600' for less)"
	@echo "make audit         ask for known vulnerabilities of what is pinned; needs the internet"
	@echo "make sbom          list all that an installed siting holds in dist/siting.cdx.json"
	@echo "make clean         remove the environment and all caches"

demo: $(SITING_STAMP)
	@$(BIN)/siting demo $(ARGS)

test: $(DEV_STAMP) $(SITING_STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

browser: $(DEV_STAMP) $(SITING_STAMP)
	SITING_REQUIRE_BROWSER=1 $(BIN)/python -m pytest -m browser $(ARGS)

notebooks: $(DEV_STAMP) $(SITING_STAMP)
	$(BIN)/python scripts/run_notebooks.py notebooks

checks: lint types layers

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV_STAMP)
	$(BIN)/mypy

layers: $(DEV_STAMP)
	PYTHONPATH=src $(BIN)/lint-imports

requirements:
	$(firstword $(BASE_PYTHON) python3) scripts/compile_requirements.py $(ARGS)

fuzz: $(AUDIT_STAMP) $(SITING_STAMP)
	$(BIN)/python tests/fuzz/fuzz_readers.py $(ARGS)

# --strict: a package that could not be asked about is a failure, not a pass.
audit: $(AUDIT_STAMP)
	for pins in run dev; do \
		$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements/$$pins.txt || exit 1; \
	done

sbom:
	$(firstword $(BASE_PYTHON) python3) scripts/make_sbom.py $(ARGS)

clean:
	rm -rf $(ENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find src tests scripts notebooks benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(ENV_STAMP):
	@if [ -z "$(BASE_PYTHON)" ]; then \
		echo "siting needs Python 3.11, 3.12 or 3.13; none of these is one: $(PYTHON)." >&2; \
		echo "Install one, or name it: make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi
	@echo "Setting up $(ENV) with $(BASE_PYTHON); the first time takes a minute or two."
	@rm -rf $(ENV)
	@if $(BASE_PYTHON) -c 'import ensurepip' 2>/dev/null; \
		then $(BASE_PYTHON) -m venv $(ENV); \
		else $(BASE_PYTHON) -m venv --without-pip $(ENV); \
	fi
	@mkdir -p $(STAMPS) && touch $@

$(RUN_STAMP): $(ENV_STAMP)
	@echo "Installing what siting needs, each file checked against requirements/run.txt."
	@$(PIP) --require-hashes --only-binary :all: -r requirements/run.txt
	@rm -f $(STAMPS)/run-* && touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@echo "Installing what the tests need, each file checked against requirements/dev.txt."
	@$(PIP) --require-hashes --only-binary :all: -r requirements/dev.txt
	@rm -f $(STAMPS)/dev-* && touch $@

$(AUDIT_STAMP): $(RUN_STAMP)
	@echo "Installing what looks for holes, each file checked against requirements/audit.txt."
	@$(PIP) --require-hashes --only-binary :all: -r requirements/audit.txt
	@rm -f $(STAMPS)/audit-* && touch $@

# No build isolation and no index: hatchling is in run.txt, so nothing unchecked is fetched.
$(SITING_STAMP): $(RUN_STAMP)
	@$(PIP) --no-index --no-deps --no-build-isolation --force-reinstall .
	@rm -f $(STAMPS)/siting-* && touch $@
