# make demo: install, index the sample corpus, search it with three manipulated pictures
# make test: install, lint, types, tests
# make lowest: the tests on the lowest versions that are supported

PYTHON ?= python3
VENV ?= .venv
LOWEST ?= .venv-lowest
BIN := $(VENV)/bin
DEMO := demo-out
INDEX := $(DEMO)/index
QUERIES := demo_mirrored_crop demo_local_splice demo_recoloured_letterbox

.PHONY: demo test lowest lint types clean

demo: $(VENV)/.installed
	mkdir -p $(DEMO)
	$(BIN)/dfindex build data/photos --index $(INDEX)
	$(BIN)/dfindex status --index $(INDEX)
	set -e; for query in $(QUERIES); do \
	  echo; echo "Have we seen data/manipulated/$$query.jpg?"; \
	  $(BIN)/dfindex search data/manipulated/$$query.jpg --index $(INDEX) -k 5 \
	    --report $(DEMO)/$$query.html || test $$? = 1; \
	done
	@echo; echo "Reports: $(QUERIES:%=$(DEMO)/%.html)"

# Compiled modules are kept: hundreds of processes are started, and each would compile them again.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.installed-dev lint types
	$(BIN)/pytest -n auto --dist loadfile $(PYTEST_ARGS)

# What old libraries are warned of says nothing about a bound, nor that Starlette leaves the file of
# an upload that was cut off for the garbage collector to close.
lowest: export PYTHONDONTWRITEBYTECODE :=
lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/pytest -n auto --dist loadfile -W ignore::FutureWarning \
	  -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning \
	  -W 'ignore:Unclosed file <tempfile.Spooled:ResourceWarning' $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dfindex needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(LOWEST)/.installed: pyproject.toml .ci/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(PYTHON) .ci/lowest.py >$(LOWEST)/constraints.txt
	$(LOWEST)/bin/pip install --quiet uv
	VIRTUAL_ENV=$(LOWEST) $(LOWEST)/bin/uv pip install --quiet \
	  --constraint $(LOWEST)/constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) $(DEMO) build dist *.egg-info
