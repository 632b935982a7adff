# Two commands for a fresh machine: `make demo` and `make test`.
# They need Python 3.11 or later with its headers, gcc and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Arguments for pytest, for one test or some: make test TESTS=tests/unit
TESTS ?=
# For the soak, and for each target of the fuzzer; which targets, or all of them.
SECONDS ?= 600
DRIVER ?= uring
TARGETS ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# What an installation is made of, folders included, so that a file that is gone counts too.
SOURCES := $(shell find fastws -name __pycache__ -prune -o -print) setup.py pyproject.toml README.md
CYTHON := $(filter %.pyx %.pxd,$(SOURCES))
EXTENSIONS := $(subst /,.,$(basename $(filter %.pyx,$(SOURCES))))

# One marker for each way to install the tree in a venv: install only when it has changed since.
PLAIN := $(VENV)/.installed
TEST := $(VENV)/.installed-test
LINT := $(VENV)/.installed-lint
BENCH := $(VENV)/.installed-bench

SANITIZED := .venv-sanitize
# Python itself is not instrumented, so the runtimes have to be loaded before it.
RUNTIMES = $(shell gcc -print-file-name=libasan.so) $(shell gcc -print-file-name=libubsan.so)
SANITIZERS = LD_PRELOAD="$(RUNTIMES)" ASAN_OPTIONS=detect_leaks=0 \
	UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc
SANITIZER_TESTS := $(addprefix tests/unit/test_,$(addsuffix .py, \
		board frame mask pipe pump relay sha1 sockets transport)) \
	tests/unit/protocol tests/properties tests/adversity

.PHONY: demo test lint bench sanitize fuzz soak clean

demo: $(PLAIN)
	$(BIN)/fastws serve --demo

test: $(TEST)
	$(BIN)/python -P -m pytest $(TESTS)

# Some of the linters call others by name.
lint: export PATH := $(abspath $(BIN)):$(PATH)
lint: $(LINT)
	ruff check .
	ruff format --check .
	cython-lint $(CYTHON)
	mypy
	lint-imports --no-logo
	python -P -m mypy.stubtest --allowlist .ci/stubtest.allow $(EXTENSIONS)

bench: $(BENCH)
	$(BIN)/python -m bench

sanitize:
	$(MAKE) VENV=$(SANITIZED) $(SANITIZED)/.sanitized
	$(SANITIZERS) $(SANITIZED)/bin/python -P -m pytest -m "not timing" $(SANITIZER_TESTS)

fuzz:
	$(MAKE) VENV=$(SANITIZED) $(SANITIZED)/.sanitized
	$(SANITIZERS) PYTHONPATH=tests $(SANITIZED)/bin/python -P tests/fuzz.py \
		--seconds $(SECONDS) $(TARGETS)

soak: $(TEST)
	PYTHONPATH=tests $(BIN)/python -P tests/soak.py --driver $(DRIVER) --seconds $(SECONDS)

$(PLAIN): $(SOURCES) build/.fresh | $(VENV)
	$(fresh-python)
	$(PIP) .
	touch $@

$(TEST): $(SOURCES) build/.fresh | $(VENV)
	$(fresh-python)
	$(PIP) '.[test]'
	touch $@ $(PLAIN)

$(LINT): $(SOURCES) build/.fresh | $(VENV)
	$(fresh-python)
	FASTWS_WERROR=1 $(PIP) '.[test,lint]'
	touch $@ $(TEST) $(PLAIN)

$(BENCH): $(SOURCES) build/.fresh | $(VENV)
	$(fresh-python)
	$(PIP) '.[bench]'
	touch $@ $(TEST) $(PLAIN)

$(VENV)/.sanitized: $(SOURCES) build/.fresh | $(VENV)
	$(fresh-python)
	FASTWS_SANITIZE=1 $(PIP) '.[test]'
	touch $@

$(VENV):
	$(PYTHON) -m venv $(VENV)

# What was compiled with other flags is not used again.
build/.fresh: setup.py
	rm -rf build
	mkdir build
	touch $@

# setuptools would install a module that is gone from the tree from its last build.
fresh-python = find build -type f ! -name '*.so' ! -name '.fresh' -path '*/lib*' -delete

clean:
	rm -rf $(VENV) $(SANITIZED) build dist *.egg-info
