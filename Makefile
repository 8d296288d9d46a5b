# Needs Python 3.11 with its venv module, and make. Everything else goes into .venv, from requirements/*.txt.

PYTHON ?=
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input --quiet
PACKAGES := app data feature_mapper flows models training

# A stamp names the state it stands for: the folder, the project file and the lock. While they are the same,
# its target is up to date and a start costs nothing.
stamp = $(VENV)/.$(1)-$(firstword $(shell (pwd; cat pyproject.toml requirements/$(1).txt) | cksum))
CREATED := $(VENV)/.created
TRAINING := $(call stamp,training)
DEV := $(call stamp,dev)

# LightGBM's wheel expects the system's OpenMP runtime. Where there is none (slim images), the one that scikit-learn
# brings along takes its place; `install` links it here.
OPENMP := $(VENV)/lib/openmp
export LD_LIBRARY_PATH := $(CURDIR)/$(OPENMP)$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

# With this set, every start would compile every imported file again: two to three times slower.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve train test smoke bench check lint style types lock clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(TRAINING) ## Train what has no champion, then serve on HOST (127.0.0.1) and PORT (8000)
	@exec $(PY) -m barcast serve

train: $(TRAINING) ## Train every model on the stored data and publish what passes its gate
	@exec $(PY) -m barcast train

test: $(DEV) ## Run the tests
	@exec $(PY) -m pytest $(TESTFLAGS)

smoke: $(DEV) ## Start the real server and call every route of it
	@exec $(PY) -m pytest tests/smoke $(TESTFLAGS)

bench: $(DEV) ## Measure the service against a route that answers a constant
	@exec $(PY) -m tests.benchmarks

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

# Each smaller lock is a subset of the larger one. Platform and Python are fixed, so that any machine writes the same file.
COMPILE := $(VENV)/bin/uv --no-config pip compile --quiet --python-version 3.11 --python-platform linux --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'

lock: $(DEV) ## Solve requirements/*.in again; UPGRADE=1 also takes newer versions
	cd requirements && ../$(COMPILE) $(if $(UPGRADE),--upgrade) serving.in training.in dev.in --output-file dev.txt
	cd requirements && ../$(COMPILE) --constraint dev.txt serving.in training.in --output-file training.txt
	cd requirements && ../$(COMPILE) --constraint dev.txt serving.in --output-file serving.txt

clean: ## Remove the environment and caches; trained models and downloaded data stay
	rm -rf $(VENV) *.egg-info build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp comes last: an environment whose making was interrupted is made again from nothing.
$(CREATED):
	@for python in $(PYTHON) python3.11 python3 python; do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then \
	        echo "Creating $(VENV) with $$($$python --version)"; \
	        $$python -m venv --clear $(VENV) && touch $@ && exit 0; \
	        exit 1; \
	    fi; \
	done; \
	echo "Expected Python 3.11 with its venv module, found: $$(python3 --version 2>&1 || echo none)." >&2; \
	echo "Install it (Debian, Ubuntu: apt install python3.11-venv) or name it: make PYTHON=/path/to/python3.11 ..." >&2; \
	exit 1

# pip writes a package's metadata after its files, so that a second run completes what an interrupted one began.
define install
	@echo "Installing $$(grep -c == requirements/$(1).txt) packages from requirements/$(1).txt (half a minute or so)"
	@rm -f $(VENV)/.training-* $(VENV)/.dev-*
	@$(PIP) install --progress-bar off --require-hashes -r requirements/$(1).txt
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@$(PY) -m compileall -q $(PACKAGES) barcast.py
	@test "$$(uname)" != Linux || $(PY) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || \
	    { mkdir -p $(OPENMP) && ln -sf ../python3.11/site-packages/scikit_learn.libs/libgomp-*.so.* $(OPENMP)/libgomp.so.1; }
	@touch $@
endef

$(TRAINING): | $(CREATED)
	$(call install,training)

$(DEV): | $(CREATED)
	$(call install,dev)
	@touch $(TRAINING)
