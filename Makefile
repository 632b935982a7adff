# Two commands for a fresh machine: `make demo` and `make test`.
# They need Python 3.11 or later with its headers, gcc and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test bench lint clean

demo: $(VENV)
	$(BIN)/pip install --quiet .
	$(BIN)/fastws serve --demo

test: $(VENV)
	$(BIN)/pip install --quiet '.[test]'
	$(BIN)/pytest

lint: $(VENV)
	FASTWS_WERROR=1 $(BIN)/pip install --quiet '.[test,lint]'
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/cython-lint fastws
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m mypy.stubtest fastws

bench: $(VENV)
	$(BIN)/pip install --quiet '.[bench]'
	$(BIN)/python -m bench

$(VENV):
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist *.egg-info
