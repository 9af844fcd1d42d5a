# make demo: install, index the sample corpus, search it with three manipulated pictures
# make test: install, lint, types, tests
# make lowest: the encoders' tests on the lowest versions that are supported

PYTHON ?= python3
VENV ?= .venv
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

LOWEST := transformers==5.0.0 huggingface_hub==1.3.0 timm==1.0.20 tokenizers==0.22.2 \
  typer-slim httpx httpcore h11 anyio idna sniffio certifi

lowest: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/lowest $(LOWEST)
	PYTHONPATH=$(VENV)/lowest $(BIN)/pytest -W ignore::FutureWarning tests/indexer/encoders

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

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info
