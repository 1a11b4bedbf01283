# `make` lists what can be done. Nothing is needed beforehand but Python 3.11 or newer.
PYTHON ?= python3
BACKEND ?= tensorflow
DEMO := .venv
ALL := .venv-all
OLDEST := .venv-oldest
ENGINES := .venv-engines
# Torch's default build for Linux pulls in several gigabytes for GPUs; this pin is the one CI tests.
TORCH := torch==2.13.0
# The smaller build of TensorFlow exists for Linux on x86-64 only.
TENSORFLOW := $(if $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m)),tensorflow-cpu,tensorflow)
RUN := TF_CPP_MIN_LOG_LEVEL=3

.PHONY: help demo test test-tensorflow test-jax test-torch test-oldest test-large test-engines lint types doctest docs figures benchmarks wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEMO)/.$(BACKEND) ## install with BACKEND=tensorflow|jax|torch, reproduce the 2020 results, say where the pictures are
	KERAS_BACKEND=$(BACKEND) $(DEMO)/bin/isi-keras reproduce isi --out results/isi

test: lint types test-tensorflow test-jax test-torch test-oldest doctest docs wheel ## everything CI checks, on all three backends

# What runs once only, and which part of long grids, say the markers: see tests/conftest.py.
test-tensorflow test-jax test-torch: test-%: $(ALL)/.installed ## the suite on one backend; on tensorflow and jax a part of it
	$(RUN) KERAS_BACKEND=$* $(ALL)/bin/python -m pytest -q -n auto --dist worksteal -m "not large" --durations=20

# What meets the insides of Keras, on the first release of those that pyproject.toml allows. Keras
# 3.13 asks NumPy, as it is imported, for what NumPy says will change.
KERAS = keras==$(shell sed -n 's/^ *"keras>=\([0-9.]*\)",$$/\1/p' pyproject.toml)
CORE := tests/test_keras_names.py tests/test_training.py tests/graph/test_propagation.py tests/graph/test_treatments.py
test-oldest: $(OLDEST)/.installed ## the core tests on the oldest Keras that is declared
	$(RUN) KERAS_BACKEND=tensorflow CASES=2 SHARE=0.5 $(OLDEST)/bin/python -m pytest -q -n auto --dist worksteal -m "not large" -W "ignore:In the future:FutureWarning" $(CORE)

test-large: $(ALL)/.installed ## what `make test` leaves out, with BACKEND=tensorflow|jax|torch: many minutes
	$(RUN) KERAS_BACKEND=$(BACKEND) $(ALL)/bin/python -m pytest -q -n auto -m large

# Ray is large, so it is not among what every test run installs.
test-engines: $(ENGINES)/.installed ## runs on local clusters of Ray and Dask, and in a bucket
	$(RUN) KERAS_BACKEND=torch $(ENGINES)/bin/python -m pytest -q -m "large or not large" tests/runs/test_engines.py tests/runs/test_sources.py tests/runs/test_object_stores.py

lint: $(ALL)/.installed ## ruff, and who imports whom
	$(ALL)/bin/ruff check .
	$(ALL)/bin/ruff format --check .
	$(ALL)/bin/lint-imports --no-cache --no-logo

types: $(ALL)/.installed ## pyright
	$(ALL)/bin/pyright --pythonpath $(ALL)/bin/python

doctest: $(ALL)/.installed ## the examples in the docstrings
	$(RUN) KERAS_BACKEND=torch $(ALL)/bin/python -m pytest -q --doctest-modules isi_keras --ignore=isi_keras/backend

docs: $(ALL)/.installed ## build the site into site/
	NO_MKDOCS_2_WARNING=1 $(ALL)/bin/mkdocs build --strict

wheel: $(ALL)/.installed ## build the wheel, and use it outside the checkout
	$(ALL)/bin/python scripts/check_wheel.py

figures: $(ALL)/.installed ## regenerate figures/; examples/cifar.py, which downloads and trains for hours, is left out
	KERAS_BACKEND=$(BACKEND) $(ALL)/bin/isi-keras reproduce isi --out figures/isi
	KERAS_BACKEND=$(BACKEND) $(ALL)/bin/isi-keras reproduce jsma --out figures/jsma
	failed=; for example in $(filter-out examples/cifar.py,$(wildcard examples/*.py)) scripts/traced_graph.py scripts/two_passes.py scripts/landing.py; do KERAS_BACKEND=$(BACKEND) $(ALL)/bin/python $$example || failed="$$failed $$example"; done; KERAS_BACKEND=tensorflow $(ALL)/bin/python scripts/pictures.py || failed="$$failed scripts/pictures.py"; test -z "$$failed" || { echo "Not made, see above: $$failed"; exit 1; }

benchmarks: $(ALL)/.installed ## seconds and ratios on this machine
	$(RUN) $(ALL)/bin/python benchmarks/attack.py
	$(RUN) $(ALL)/bin/python benchmarks/relevance.py
	$(RUN) $(ALL)/bin/python benchmarks/jsma.py
	$(RUN) $(ALL)/bin/python benchmarks/fit.py
	$(RUN) $(ALL)/bin/python benchmarks/minimal_l0.py
	$(RUN) $(ALL)/bin/python benchmarks/runs.py

$(DEMO)/.$(BACKEND): pyproject.toml
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet --upgrade pip
	$(DEMO)/bin/python -m pip install --quiet -e . $(if $(filter tensorflow,$(BACKEND)),$(TENSORFLOW),$(if $(filter torch,$(BACKEND)),$(TORCH),$(BACKEND)))
	touch $@

# Most of what is installed is never imported; what is, is compiled then. KerasHub, whose networks
# are tested, would pull in a second TensorFlow for its tokenizers.
HUB := keras-hub==0.32.0 tokenizers regex
$(ALL)/.installed: pyproject.toml
	$(PYTHON) -m venv $(ALL)
	$(ALL)/bin/python -m pip install --quiet --upgrade pip
	$(ALL)/bin/python -m pip install --quiet --no-compile -e ".[test,docs,dev]" $(TENSORFLOW) jax $(TORCH)
	$(ALL)/bin/python -m pip install --quiet --no-compile --no-deps $(HUB)
	touch $@

$(OLDEST)/.installed: pyproject.toml
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade pip
	$(OLDEST)/bin/python -m pip install --quiet --no-compile -e ".[test]" $(TENSORFLOW) $(KERAS)
	touch $@

$(ENGINES)/.installed: pyproject.toml
	$(PYTHON) -m venv $(ENGINES)
	$(ENGINES)/bin/python -m pip install --quiet --upgrade pip
	$(ENGINES)/bin/python -m pip install --quiet --no-compile -e ".[test,ray,dask,remote]" $(TORCH) h5py pandas pyarrow zarr "moto[server]" s3fs
	touch $@

clean: ## remove the environments and everything built
	rm -rf $(DEMO) $(ALL) $(OLDEST) $(ENGINES) build dist site .pytest_cache .ruff_cache
