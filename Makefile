# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
QUICK := tests/test_layers.py tests/golden tests/unit/kernels tests/unit/config tests/unit/stats tests/unit/test_rng_names.py
export OMP_WAIT_POLICY ?= passive

.PHONY: install demo quick test test-data test-spark test-exports check bench results docs sbom clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/bin/leaven
	$(BIN)/leaven demo --out runs/demo

$(VENV)/bin/leaven:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e .

quick: install
	$(BIN)/pytest -n 2 --dist loadfile -m 'not data and not spark and not slow and not exports' $(QUICK)

test: install
	$(BIN)/pytest -n 2 --dist loadfile -m 'not data and not spark and not exports'

test-data: install
	$(BIN)/pytest -m 'data'

test-spark: install
	$(BIN)/pip install -q -c constraints.txt -e '.[spark]'
	$(BIN)/pytest -m 'spark'

test-exports: install
	$(BIN)/python -m tests.exports_real.environments
	$(BIN)/pytest -m 'exports'

check: install
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy
	$(BIN)/python -m bench.readability --check

bench: install
	$(BIN)/python -m bench

results: install
	$(BIN)/python -m bench.results

docs: install
	$(BIN)/pip install -q -c constraints.txt -e '.[docs]'
	$(BIN)/python -m bench.pages
	$(BIN)/mkdocs build --strict

sbom: install  # the software bill of materials of the installed environment, CycloneDX JSON
	$(PYTHON) -m venv build/sbom-tool
	build/sbom-tool/bin/pip install -q cyclonedx-bom
	build/sbom-tool/bin/cyclonedx-py environment $(VENV) --pyproject pyproject.toml --output-reproducible -o build/sbom.json

clean:
	rm -rf $(VENV) runs build dist .mypy_cache .ruff_cache .pytest_cache
