# Needs Python 3.11 with its venv module, and make. Everything else goes into .venv, from requirements/*.txt.

PYTHON ?=
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input --quiet
UV := $(VENV)/bin/uv --no-config --system-certs  # as pip does, and as networks with an authority of their own need
# Tests run side by side on as many workers as there are cores, four at most: each worker starts servers of its own.
# 0 runs them one after the other, as a debugger needs it.
WORKERS ?= auto
# Of the skill report: a folder of series, or those that are shipped.
UNIVERSE ?= sample
PACKAGES := app data feature_mapper flows models skill training

# A stamp names the state it stands for: the folder, the project file and the lock. While they are the same,
# its target is up to date and a start costs nothing.
stamp = $(VENV)/.$(1)-$(firstword $(shell (pwd; cat pyproject.toml requirements/$(1).txt) | cksum))
TRAINING := $(call stamp,training)
LIFECYCLE := $(call stamp,lifecycle)
SKILL := $(call stamp,skill)
DEV := $(call stamp,dev)
# Rivals of the skill report whose library cannot be installed beside ours; skill/rivals/elsewhere.py asks them there.
ELSEWHERE := .venv-rivals
RIVALS := $(ELSEWHERE)/.rivals-$(firstword $(shell (pwd; cat requirements/rivals.txt) | cksum))

# LightGBM's wheel expects the system's OpenMP runtime. Where there is none (slim images), the one that scikit-learn
# brings along takes its place; `install` links it here.
OPENMP := $(VENV)/lib/openmp
export LD_LIBRARY_PATH := $(CURDIR)/$(OPENMP)$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

# With this set, every start would compile every imported file again: two to three times slower.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve train retrain schedule test long smoke bench gate swaps skill docs check lint style types lock clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(TRAINING) ## Train what has no champion, then serve on HOST (127.0.0.1) and PORT (8000)
	@exec $(PY) -m barcast serve

train: $(TRAINING) ## Train every model on the stored data and publish what passes its gate
	@exec $(PY) -m barcast train

retrain: $(LIFECYCLE) ## Ingest, validate, train, judge and promote: ARGS="--source yahoo --symbols AAPL"
	@exec $(PY) -m barcast retrain $(ARGS)

schedule: $(LIFECYCLE) ## Do that on weekday evenings, as a Prefect flow; ARGS as for retrain, and --cron
	@exec $(PY) -m flows.retraining_flow --serve $(ARGS)

test: $(DEV) ## Run the tests, side by side; one after the other with WORKERS=0
	@exec $(PY) -m pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal $(TESTFLAGS)

long: $(DEV) ## Run the tests that count rates or wait for minutes: schedules, servers of others
	@exec $(PY) -m pytest -m long $(TESTFLAGS)

smoke: $(DEV) ## Start the real server and call every route of it
	@exec $(PY) -m pytest tests/smoke $(TESTFLAGS)

bench: $(DEV) ## Measure the service against a route that answers a constant
	@$(PY) -m barcast train --missing
	@exec $(PY) -m tests.benchmarks

gate: $(DEV) ## Measure the error rates of the gate on markets whose truth is known (for every model: some hours)
	@exec $(PY) -m tests.figures gate

swaps: $(DEV) ## Swap versions a thousand times under load; measure what fails, what is mixed, what memory it takes
	@exec $(PY) -m tests.figures swaps

skill: $(SKILL) $(RIVALS) ## Judge the models against strong rivals: UNIVERSE=<folder of SYMBOL.csv> (sample), ARGS=--quick
	@exec $(PY) -m barcast evaluate --universe $(UNIVERSE) $(ARGS)

docs: $(DEV) ## Make what the pages say about models and answers again
	@$(PY) -m barcast train --missing
	@$(PY) -m tests.docs

check: lint types test ## All that has to pass before a commit is pushed

lint: $(DEV) ## Check the style of code and Dockerfile
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/hadolint Dockerfile

style: $(DEV) ## Repair what lint can repair
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: $(DEV) ## Check the types
	$(PY) -m mypy

# Each smaller lock is a subset of the larger one. It is solved for all platforms at once, so that any machine writes the
# same file and can install it.
COMPILE := ../$(UV) pip compile --quiet --python-version 3.11 --universal --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'

lock: $(DEV) ## Solve requirements/*.in again; UPGRADE=1 also takes newer versions
	cd requirements && $(COMPILE) $(if $(UPGRADE),--upgrade) serving.in training.in lifecycle.in skill.in dev.in --output-file dev.txt
	cd requirements && $(COMPILE) --constraint dev.txt serving.in training.in lifecycle.in skill.in --output-file skill.txt
	cd requirements && $(COMPILE) --constraint dev.txt serving.in training.in lifecycle.in --output-file lifecycle.txt
	cd requirements && $(COMPILE) --constraint dev.txt serving.in training.in --output-file training.txt
	cd requirements && $(COMPILE) $(if $(UPGRADE),--upgrade) bootstrap.in --output-file bootstrap.txt
	cd requirements && $(COMPILE) $(if $(UPGRADE),--upgrade) rivals.in --output-file rivals.txt
	cd requirements && $(COMPILE) --constraint dev.txt serving.in --output-file serving.txt

clean: ## Remove the environment and caches; trained models and downloaded data stay
	rm -rf $(VENV) $(ELSEWHERE) .venv.lock *.egg-info build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(RIVALS): $(SKILL)
	@rm -rf $(ELSEWHERE)
	@$(PY) -m venv $(ELSEWHERE)
	@echo "Installing $$(grep -c == requirements/rivals.txt) packages from requirements/rivals.txt into $(ELSEWHERE)"
	@$(UV) pip install --quiet --python $(ELSEWHERE)/bin/python --compile-bytecode --require-hashes \
	    --requirement requirements/rivals.txt || \
	    $(ELSEWHERE)/bin/python -m pip install --quiet --require-hashes --requirement requirements/rivals.txt
	@touch $@

# An environment is whole or it is made again from nothing: .whole is absent while anything is put into it.
define install
	@test -e $(VENV)/.whole || { $(create); }
	@rm -f $(VENV)/.whole $(VENV)/.training-* $(VENV)/.lifecycle-* $(VENV)/.skill-* $(VENV)/.dev-*
	@echo "Installing $$(grep -c == requirements/$(1).txt) packages from requirements/$(1).txt (about half a minute)"
	@$(PIP) install --require-hashes --requirement requirements/bootstrap.txt && \
	    $(UV) pip install --quiet --python $(PY) --compile-bytecode --require-hashes --requirement requirements/$(1).txt || \
	    { echo "uv could not do it; trying pip, which also reads pip.conf"; \
	      $(PIP) install --require-hashes --requirement requirements/$(1).txt; }
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@$(PY) -m compileall -q $(PACKAGES) barcast.py
	@test "$$(uname)" != Linux || $(PY) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || \
	    { mkdir -p $(OPENMP) && cd $(OPENMP) && ln -sf ../python3.11/site-packages/scikit_learn.libs/libgomp-*.so.* libgomp.so.1; }
	@touch $(VENV)/.whole $@
endef

# `python -m venv` answers Ctrl-C with a traceback; this dies of it like any program.
quiet_venv := import signal, venv; signal.signal(signal.SIGINT, signal.SIG_DFL); venv.main()

define create
for python in $(PYTHON) python3.11 python3 python; do \
    if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then \
        echo "Creating $(VENV) with $$($$python --version)"; \
        exec $$python -c '$(quiet_venv)' --clear $(VENV); \
    fi; \
done; \
echo "Expected Python 3.11 with its venv module, found: $$(python3 --version 2>&1 || echo none)." >&2; \
echo "Install it (Debian, Ubuntu: apt install python3.11-venv) or name it: make PYTHON=/path/to/python3.11 ..." >&2; \
exit 1
endef

# Two makes at once set up one after the other; the second then finds the stamp of the first.
ifdef SETUP
$(TRAINING):
	$(call install,training)

$(LIFECYCLE):
	$(call install,lifecycle)
	@touch $(TRAINING)

$(SKILL):
	$(call install,skill)
	@touch $(TRAINING) $(LIFECYCLE)

$(DEV):
	$(call install,dev)
	@touch $(TRAINING) $(LIFECYCLE) $(SKILL)
else
$(TRAINING) $(LIFECYCLE) $(SKILL) $(DEV):
	@$(if $(shell command -v flock),flock .venv.lock) $(MAKE) --no-print-directory SETUP=1 $@
endif
