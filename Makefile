# The verbs of the project. `make run` and `make test` are all a newcomer needs.
PY := .venv/bin/python

.PHONY: setup run test lint fix demo bench

.venv/installed: requirements.txt
	python3 -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

setup: .venv/installed-dev  ## install everything, development tools included

run: .venv/installed  ## open the dashboard; the first start makes the demo run
	$(PY) -m streamlit run app.py

test: .venv/installed-dev  ## the whole test suite, three files at a time; browser tests need Debian's chromium and are skipped without it
	$(PY) -m pytest -n 3 --dist loadfile

lint: .venv/installed-dev  ## formatting, lint, types
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

fix: .venv/installed-dev  ## mend what can be mended
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

demo: .venv/installed  ## make the bundled demo run on the command line
	$(PY) cli.py demo

bench: .venv/installed-dev  ## ratios, measured in one run
	for file in bench/*.py; do $(PY) -m bench.$$(basename $$file .py) || exit 1; done
