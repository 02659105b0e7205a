# Everything happens in .venv; the only thing needed beforehand is Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := data_samples/sample.svs

.PHONY: demo test torture check lint types layers bench clean

demo: $(VENV)/.core
	$(BIN)/slidetile info $(SAMPLE)
	$(BIN)/slidetile plan $(SAMPLE) --tile-size 512 -o demo/sample.zarr --preview demo/plan.png
	$(BIN)/slidetile tile $(SAMPLE) --tile-size 512 -o demo/sample.zarr --overwrite
	@echo
	@echo "Look at demo/plan.png: the tissue's outline and the tiles, over the slide."
	@echo "demo/sample.zarr is the store: open it with slidetile, zarr, napari or any OME-Zarr viewer."
	@echo "Then try: $(BIN)/slidetile tile YOUR_SLIDE.svs -o your_slide.zarr"

test: $(VENV)/.test
	$(BIN)/python -m pytest -q -m "not torture and not slow"

torture: $(VENV)/.test
	$(BIN)/python -m pytest -q -m torture

check: lint types layers test

lint: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.check
	$(BIN)/mypy

layers: $(VENV)/.check
	$(BIN)/lint-imports

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/bench.py

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

$(VENV)/.bench: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

$(VENV)/.check: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,check]'
	touch $@

clean:
	rm -rf $(VENV) demo
