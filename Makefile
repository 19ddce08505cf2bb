# Every target needs Python 3.11 or newer, git and make, and nothing else.
SHELL := /bin/bash
PYTHON ?= python3
STACK ?= embedded
VENV := .venv
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast chaos fuzz check format up bench lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: $(INSTALLED) ## make .venv from the locked, hashed packages

$(INSTALLED): locks/development.txt locks/installer.txt locks/install.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Stenolog needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 2; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV) (half a minute the first time)"
	@$(VENV)/bin/python locks/install.py
	@touch $@

demo: $(INSTALLED) ## transcribe the spoken sample through the public API, on a bare machine
	@$(VENV)/bin/stenolog demo

up: $(INSTALLED) ## run the whole system on this machine until Ctrl-C
	@$(VENV)/bin/stenolog up

test: $(INSTALLED) ## run every test; WORKERS=1 one after the other; STACK=containers takes PostgreSQL and Kafka from Docker
	@STACK=$(STACK) $(VENV)/bin/python -m pytest -n $(or $(WORKERS),auto) $(TESTS)

test-fast: $(INSTALLED) ## run the tests that need no servers and no processes: half a minute
	@$(VENV)/bin/python -m pytest -n $(or $(WORKERS),3) -m "not servers" $(TESTS)

chaos: $(INSTALLED) ## load and faults, then the oracle; MINUTES=30 SEED=7 FAULTS=900 CROWD=100 IDLE=1000 BROKER=noida
	@$(VENV)/bin/python -m tests.chaos --minutes $(or $(MINUTES),1) $(if $(BROKER),--broker $(BROKER)) $(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS)) $(if $(CROWD),--crowd $(CROWD)) $(if $(IDLE),--idle $(IDLE))

fuzz: $(INSTALLED) ## ask a running system whatever its OpenAPI document allows and does not; MINUTES=60 SEED=7
	@$(VENV)/bin/python -m tests.fuzz --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

check: $(INSTALLED) ## lint, types, import contracts, shape, Compose file, OpenAPI document, schemas that were released
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(VENV)/bin/openapi-spec-validator --validation-errors all schemas/generated/openapi.json
	@$(VENV)/bin/python -m schemas.released

format: $(INSTALLED) ## format the code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

bench: $(INSTALLED) ## measure, with peers and limits in the same run; `make bench append` measures one
	@$(VENV)/bin/python -m benchmarks $(MEASURED)

ifeq (bench,$(firstword $(MAKECMDGOALS)))
# What stands beside `bench` names benchmarks, and is no target of its own.
MEASURED := $(filter-out bench,$(MAKECMDGOALS))
.PHONY: $(MEASURED)
$(MEASURED):
	@:
endif

lock: $(INSTALLED) ## resolve the dependencies anew
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --all-extras --upgrade pyproject.toml -o locks/development.txt
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade pyproject.toml -o locks/production.txt
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra riva --upgrade pyproject.toml -o locks/riva.txt
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade benchmarks/peers/requirements.in -o benchmarks/peers/requirements.txt
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade examples/requirements.in -o examples/requirements.txt
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade examples/flink/requirements.in -o examples/flink/requirements.txt
	@echo uv | $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --constraint locks/development.txt - -o locks/installer.txt
