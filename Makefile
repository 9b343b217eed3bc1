# Two commands from nothing: `make report` redoes the study, `make test` runs every check.
# Both find an interpreter and make .venv first (scripts/setup); a second run starts at once.

BIN := .venv/bin
PYTHON_RUN := $(BIN)/python
ARGS ?=
PIN := uv pip compile pyproject.toml --universal --python-version 3.12 --upgrade --quiet \
	--no-header --no-annotate --no-emit-index-url

# A PYTHONPATH of the user's would put other packages before the pinned ones. Where bytecode may not
# be written, as in many containers, every process would compile a thousand files again.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

.PHONY: help report test test-slow docs notebooks bench lint format setup setup-dev hooks pins dist clean

help:
	@echo "make report     redo the study: every model, its posterior, REML or OLS, published figures"
	@echo "make test       run every check and the tests, quickest first; coverage with all of them"
	@echo "make test-slow  run the long tests: recovery, calibration"
	@echo "make docs       build the site into docs/_build/html; its code runs, warnings are errors"
	@echo "make notebooks  run every notebook afresh, in place"
	@echo "make bench      measure against bambi, PyMC, statsmodels, lme4 (apt's r-cran-lme4), DuckDB, Spark"
	@echo "make lint       run the checks without the tests"
	@echo "make format     put the code in its standard form"
	@echo "make hooks      run the same checks before each commit (pre-commit)"
	@echo "make pins       resolve requirements/*.txt anew (needs uv)"
	@echo "make dist       build the wheel and the source distribution into dist/"
	@echo "make clean      remove what the other targets made"
	@echo "ARGS=... is passed on: make report ARGS='--out study', make test ARGS='-k reml'"

report: setup
	$(BIN)/bayes-mlm reproduce $(ARGS)

test: lint
	@sh scripts/browser
	$(PYTHON_RUN) -m pytest -q -n auto --dist loadfile --no-loadscope-reorder $(if $(ARGS),$(ARGS),--cov)

test-slow: setup-dev
	$(PYTHON_RUN) -m pytest -q -m slow $(ARGS)

lint: setup-dev
	$(PYTHON_RUN) -m ruff check
	$(PYTHON_RUN) -m ruff format --check
	$(PYTHON_RUN) -m mypy
	$(BIN)/lint-imports --no-logo

docs: setup-dev
	$(PYTHON_RUN) -m sphinx -b html -W --keep-going -q -j 2 $(ARGS) docs docs/_build/html
	@echo "open docs/_build/html/index.html"

notebooks: setup-dev
	$(PYTHON_RUN) notebooks/run.py $(ARGS)

format: setup-dev
	$(PYTHON_RUN) -m ruff check --fix
	$(PYTHON_RUN) -m ruff format

# False alarms and power of the model checks are apart: OMP_NUM_THREADS=1 .venv/bin/python
# benchmarks/checks.py (ten to twenty minutes on one core).
bench:
	@sh scripts/setup bench
	.venv-bench/bin/python benchmarks/run.py $(ARGS)
	.venv-bench/bin/python benchmarks/large.py $(ARGS)

setup:
	@sh scripts/setup run

setup-dev:
	@sh scripts/setup dev

hooks: setup-dev
	$(PYTHON_RUN) -m pre_commit install

pins:
	$(PIN) --group build --output-file requirements/run.txt
	$(PIN) --group build --group dev --constraint requirements/run.txt \
		--output-file requirements/dev.txt
	$(PIN) --group build --group bench --constraint requirements/run.txt \
		--output-file requirements/bench.txt

dist: setup-dev
	$(PYTHON_RUN) -m hatchling build

clean:
	rm -rf .coverage docs/_build .venv .venv.lock .venv-bench .venv-bench.lock dist .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache
	find bayes_mlm tests -name __pycache__ -type d -prune -exec rm -rf {} +
