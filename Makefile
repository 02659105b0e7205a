# Everything happens in .venv; the only thing needed beforehand is Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VIEWERS := .venv-viewers
SAMPLE := data_samples/sample.svs

# Tests run in so many processes. Two suit a laptop and a small container; elsewhere give more, as
# in `make test WORKERS=8`.
WORKERS ?= 2

# Which of them: all, or those of a folder, as in `make test TESTS=tests/store`.
TESTS ?=
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope

# The viewer's page is built by npm from its sources and its lock file, the same bytes each time.
# Without npm all else works: the tests that need the page skip, and `slidetile view` says so.
PAGE := slidetile/viewer/page
BUILT := slidetile/viewer/built

.PHONY: programs viewer page-if-possible demo test reports test-all fuzz azurite torture check lint types layers docs bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/.core
	$(BIN)/slidetile info $(SAMPLE)
	$(BIN)/slidetile plan $(SAMPLE) --tile-size 512 -o demo/sample.zarr --preview demo/plan.png
	$(BIN)/slidetile tile $(SAMPLE) --tile-size 512 -o demo/sample.zarr --overwrite
	@echo
	@echo "Look at demo/plan.png: the tissue's outline and the tiles, over the slide."
	@echo "demo/sample.zarr is the store: open it with slidetile, zarr, napari or any OME-Zarr viewer."
	@echo "To look at it here: $(BIN)/pip install -e '.[view]' && make viewer && $(BIN)/slidetile view demo/sample.zarr"
	@echo "Then try: $(BIN)/slidetile tile YOUR_SLIDE.svs -o your_slide.zarr"

viewer: $(BUILT)/page.js

page-if-possible:
	@$(MAKE) --no-print-directory viewer || echo "== without the viewer's page, the tests that need it skip, and a notebook has no outputs in the docs"

$(BUILT)/page.js: $(wildcard $(PAGE)/*.js $(PAGE)/*.mjs $(PAGE)/*.css $(PAGE)/*.html $(PAGE)/*.json)
	@command -v npm >/dev/null || { echo "The viewer's page is built by npm, which is not here: install Node.js 18 or newer."; exit 1; }
	cd $(PAGE) && npm ci --no-audit --no-fund --ignore-scripts && node build.mjs

test: $(VENV)/.test page-if-possible
	$(PYTEST) -m "not slow and not torture" $(TESTS)

test-all: $(VENV)/.test $(VIEWERS)/.napari page-if-possible
	$(PYTEST)

# Public reports recreated, judged as they should come out; test-all runs them too.
reports: $(VENV)/.test
	$(PYTEST) tests/cases

# Mutants of slides, stores and region files; what is found is kept, and made again by its number.
INPUTS ?= 100000
FUZZ_FIRST ?= 0

fuzz: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m fuzz --inputs $(INPUTS) --first $(FUZZ_FIRST) --keep .cache/fuzz

# A server of Azure's storage, for tests/cloud/test_azure.py, which skips without it. Needs npm.
AZURITE := .cache/azurite

azurite: $(AZURITE)/.installed

$(AZURITE)/.installed:
	mkdir -p $(AZURITE)
	npm install --prefix $(AZURITE) --no-audit --no-fund --silent azurite@3
	touch $@

# What opens a store, tried with the programs themselves, into docs/how-to/other-programs.md. Takes
# minutes; needs npm and Chromium. spatialdata pins older ones of the others, so it is apart.
PROGRAMS := tests/programs
APART := .venv-spatialdata

programs: $(VENV)/.test $(VIEWERS)/.programs $(APART)/.installed $(PROGRAMS)/node_modules
	rm -rf .cache/programs
	$(VIEWERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target .cache/programs .
	$(BIN)/python $(PROGRAMS)/try_all.py

$(VIEWERS)/.programs: $(VIEWERS)/.napari
	$(VIEWERS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade \
		aiohttp dask imagecodecs google-crc32c 'ngff-zarr[remote]' neuroglancer ome-zarr requests tensorstore xarray zarrs
	touch $@

$(APART)/.installed: $(VENV)/.python
	$(PYTHON) -m venv $(APART)
	$(APART)/bin/python -m pip install --quiet --disable-pip-version-check aiohttp imagecodecs google-crc32c spatialdata
	touch $@

$(PROGRAMS)/node_modules: $(PROGRAMS)/package-lock.json
	cd $(PROGRAMS) && npm ci --no-audit --no-fund --ignore-scripts
	touch $@

torture: $(VENV)/.test
	$(BIN)/python -m pytest -q -m torture
	$(PYTEST) -m "hypothesis and not torture" --hypothesis-profile searching

check: lint types layers docs test-all

lint: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.check
	$(BIN)/mypy

layers: $(VENV)/.check
	$(BIN)/lint-imports

docs: site/index.html

# The site takes ten seconds, and is built again only where something it is made of has changed.
SOURCES := $(shell find docs notebooks slidetile data_samples/sample.svs -name '*.pyc' -o -type f -print)

site/index.html: $(VENV)/.docs mkdocs.yml CHANGELOG.md CONTRIBUTING.md $(SOURCES) | page-if-possible
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/bench.py
	$(BIN)/python benchmarks/jobs.py

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "slidetile needs Python 3.11 or newer, but $(PYTHON) is older: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.core: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	mkdir -p demo
	touch $@

$(VENV)/.test: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

# napari's reader says how stores are drawn. Its packages add to every pytest beside which they lie,
# so they get an environment of their own.
$(VIEWERS)/.napari: $(VENV)/.python
	$(PYTHON) -m venv $(VIEWERS)
	$(VIEWERS)/bin/python -m pip install --quiet --disable-pip-version-check 'napari-ome-zarr>=0.10' 'ngio>=1.1' --editable '.[spatial]'
	touch $@

$(VENV)/.bench: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

$(VENV)/.check: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,check]'
	touch $@

$(VENV)/.docs: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) $(VIEWERS) $(APART) $(PROGRAMS)/node_modules $(BUILT) $(PAGE)/node_modules demo site .cache
