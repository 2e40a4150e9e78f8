# Every target sets the checkout up first; `make help` lists them. ARGS is passed on: make demo ARGS=--help

.DEFAULT_GOAL := setup
.NOTPARALLEL:
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup engine servers sdk demo bench lint style types quick test soak check lock clean

new_enough := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
pythons := python3 python3.14 python3.13 python3.12 python3.11
PYTHON ?= $(shell for p in $(pythons); do $$p $(new_enough) 2>/dev/null && { echo $$p; break; }; done)
venv := .venv/bin
WORKERS ?= 2
pytest := $(venv)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

help: ## lists the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

setup: ## uv and .venv, exactly as locked (the default)
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer on PATH; install one, or make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -m tools.setup

engine: setup ## finds, fetches or builds the Pulumi engine
	@$(PYTHON) -m tools.engine

servers: setup ## builds the servers that tests run against
	@$(PYTHON) -m tools.servers

sdk: setup ## SDKs of the provider and the components for Go, Node.js and Python, into sdk/
	@$(PYTHON) -m tools.sdk $(ARGS)

demo: setup engine ## a disaster and the recovery from it, on this machine
	@$(PYTHON) -m tools.servers caddy || echo "make: going on; the demo will serve nothing" >&2
	@$(venv)/drstack demo $(ARGS)

bench: setup ## measures beside restic and others into benchmarks/REPORT.md; ARGS=--quick only shows that it works
	@case "$(ARGS)" in *--quick*) ;; *) $(PYTHON) -m tools.peers || echo "make: going on without what is missing" >&2 ;; esac
	@$(venv)/python -m benchmarks $(ARGS)

lint: style types

style: setup
	$(venv)/ruff check
	$(venv)/ruff format --check

types: setup
	$(venv)/basedpyright
	$(venv)/lint-imports

# Types are judged beside the tests, which wait more than they work. What that says is printed after them; either fails.
beside_types = $(MAKE) --no-print-directory types > .drstack/types.log 2>&1 & types=$$!; $(1); tests=$$?; \
	wait $$types; types=$$?; cat .drstack/types.log; exit $$((tests ? tests : types))

quick: style ## linters, and the tests that need neither engine nor servers
	@$(call beside_types,$(pytest) -m "not engine and not server and not slow" $(ARGS))

test: setup ## all tests; what cannot be had is listed as NOT RUN
	@$(PYTHON) -m tools.engine || echo "make: going on; tests of the engine will be NOT RUN" >&2
	@$(PYTHON) -m tools.servers || echo "make: going on; tests of servers will be NOT RUN" >&2
	$(pytest) $(ARGS)

soak: setup ## the fault cases of which CI runs a share: ARGS="--faults kills,lies", ARGS=--go-on; docs/faults.md
	DRSTACK_SOAK=1 $(pytest) -m "faults or soak" $(ARGS)

check: style ## what CI runs: linters and all tests
	@$(call beside_types,$(MAKE) --no-print-directory test)

lock: ## compiles requirements.lock anew; ARGS=--upgrade raises versions
	@$(PYTHON) -m tools.setup.lock $(ARGS)

clean: ## removes what was made in the checkout, .venv too; keeps the cache, stacks and their state
	rm -rf .venv .venv-uv .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist sdk .drstack/engine.json .drstack/setup.lock
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
