# One command each. `make` alone lists them. Works with GNU make 4 and a plain POSIX shell.

PYTHON      ?= python3.11
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
VENV        := .venv
BIN         := $(VENV)/bin
# Builds of torch with CUDA inside weigh gigabytes: only a machine with an NVIDIA driver gets one.
TORCH       ?= torch==2.13.0$(shell [ "$$(uname -s)" = Linux ] && [ ! -e /proc/driver/nvidia/version ] && echo +cpu)
PIP         := $(BIN)/python -m pip --disable-pip-version-check
PYTEST      := $(BIN)/python -m pytest
RUN_STAMP   := $(VENV)/.installed
DEV_STAMP   := $(VENV)/.installed-dev
PINS        := pyproject.toml constraints.txt
ARGS        ?=

.DEFAULT_GOAL := help
.PHONY: help install serve test check types pytest bench clean \
        train-portraits train-corpus train-render train-listener train-codec train-latents train-teacher train-student evaluate

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

install: $(RUN_STAMP)  ## prepare .venv with the command emolive
	@echo "Ready: $(BIN)/emolive --help"

serve: $(RUN_STAMP)  ## start the server on http://127.0.0.1:8080 (ARGS='--port 9000' passes options)
	@exec $(BIN)/emolive serve $(ARGS)

test: $(DEV_STAMP)  ## set up, then every check and every test, the browser included
	@sh .ci/components
	@$(MAKE) --no-print-directory check types pytest

check: $(DEV_STAMP)  ## format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

types: ## the web client's types (needs Node.js)
	@sh .ci/web-types

# Tests against the clock run by themselves: measuring coverage would slow them down.
pytest: $(DEV_STAMP)  ## the tests alone (ARGS='-k playout' passes options)
	$(PYTEST) tests/unit --cov --cov-report=term --junitxml=runs/junit-unit.xml $(ARGS) || [ $$? = 5 ]
	$(PYTEST) tests/integration tests/soak tests/e2e --junitxml=runs/junit-live.xml $(ARGS) || [ $$? = 5 ]

bench: $(RUN_STAMP)  ## speed of the model, then of a live call
	$(BIN)/emolive bench model $(ARGS)
	$(BIN)/emolive bench live $(ARGS)

train-portraits train-corpus train-render train-listener train-codec train-latents train-teacher train-student: $(DEV_STAMP)
	$(BIN)/emolive train $(@:train-%=%) $(ARGS)

evaluate: $(DEV_STAMP)  ## judge the default weights on held-out data
	$(BIN)/emolive evaluate $(ARGS)

clean:  ## forget the environment and every cache (weights and recordings in runs/ and var/ stay)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage \
	  .import_linter_cache node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written last, so that an interrupted installation is taken up again.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "$(PYTHON) was not found. On Debian and Ubuntu: sudo apt install python3.11 python3.11-venv" >&2; \
	  echo "Python 3.12 and 3.13 work as well: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13; choose one: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch first and alone: only this one package is looked up in PyTorch's own index, and if that
# index cannot be reached, pip goes on with the sources it is configured for.
$(RUN_STAMP): $(PINS) | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt "pip>=25" "setuptools>=77"
	@$(PIP) show --quiet torch 2>/dev/null || $(PIP) install --quiet --no-deps --retries 1 --timeout 15 \
	  --extra-index-url $(TORCH_INDEX) "$(TORCH)" || { \
	  echo "$(TORCH) was not found. Name an index that has it: make TORCH_INDEX=https://..." >&2; \
	  echo "or take PyPI's build, which on Linux brings gigabytes of CUDA: make TORCH=torch==2.13.0" >&2; exit 1; }
	PYTHONWARNINGS=ignore $(PIP) install --quiet --prefer-binary -c constraints.txt --editable .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	PYTHONWARNINGS=ignore $(PIP) install --quiet --prefer-binary -c constraints.txt --editable '.[train,dev]'
	@touch $@
