# Rollcall on one machine. Plain `make` lists the targets.
# Everything is installed into .venv from requirements.lock. Nothing else on the machine changes.

.DEFAULT_GOAL := help
.PHONY: help setup demo up dbt docs screenshots bench test fuzz soak audit lint lock clean
MAKEFLAGS += --no-print-directory

# The Python for .venv, 3.11 to 3.13: make setup PYTHON=/path/to/python3.12
PYTHON ?=
BIN := .venv/bin

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## create or update the virtual environment .venv
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
	    exec "$$python" include/rollcall_local/make_venv.py; \
	  elif test -n "$(PYTHON)"; then break; fi; \
	done; \
	echo "Rollcall needs Python 3.11, 3.12, or 3.13 with its venv module (Debian: apt install python3-venv)." >&2; \
	echo "Name one: make setup PYTHON=/path/to/python3.12" >&2; exit 1

demo: setup ## sync two school districts twice with a real Airflow, from scratch, in a few minutes
	@$(BIN)/python -m rollcall_local.demo

up: setup ## run Airflow, the sandbox, and a persistent warehouse until Ctrl-C
	@$(BIN)/python -m rollcall_local.up

dbt: setup ## build and test the dbt package on the last demo's warehouse
	@$(BIN)/python -m rollcall_local.dbt

docs: setup ## build the documentation site into site/ and check every link
	@$(BIN)/zensical build --clean --strict

screenshots: setup ## take the pictures of the page Rosters for README and docs (needs Chromium, or `playwright install chromium`)
	@$(BIN)/python -m rollcall_local.screenshots

bench: setup ## compare speed with dlt, a script, and the floor, in one table (BENCH="--only rollcall" for a part)
	@$(BIN)/python -m bench $(BENCH)

test: setup ## run all tests on two cores (TESTS="-m unit" for those without servers)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

fuzz: setup ## draw hostile pages, headers, tokens, and emails for ten minutes (FUZZ_SECONDS=600)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} $(BIN)/python -m tests.oneroster.fuzz

soak: setup ## sync nights for an hour while everything is killed, cut off, or full (SOAK_SECONDS=3600, SOAK_SEED)
	@$(BIN)/python -m tests.soak.soak

audit: setup ## check licenses, write an SBOM, and look for known vulnerabilities of all packages
	@$(BIN)/python -m rollcall_local.audit

lint: setup ## check style, types, import rules, and wording
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell

lock: setup ## regenerate requirements.lock from requirements-dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements-dev.txt \
	  -o requirements.lock --custom-compile-command "make lock"

clean: ## stop leftover processes; remove .venv, .rollcall, and caches
	@if test -f .venv/made-from; then $(BIN)/python -m rollcall_local.clean; fi
	@rm -rf .venv .rollcall site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
