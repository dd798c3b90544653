# Two commands for a new user: `make demo` and `make test`. Everything lives in .venv and demo/.

PYTHON ?= python3
SERIES ?=
COMPILE := .venv/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
UPGRADE ?=
# Compiled modules are kept, whatever the surroundings say: hundreds of processes import the same ones.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest
# In a process of their own, beside the others: OpenVINO behind torch's exporter ends the process (docs/log.md).
EXPORTING := tests/integration/training
PIP := .venv/bin/pip --disable-pip-version-check --quiet

.PHONY: demo test test-exporting test-others check lock sbom clean

demo: .venv/demo
	.venv/bin/scanside demo $(SERIES)

# The checks beside the tests: the longest of them has one core only.
test: .venv/test
	$(MAKE) --no-print-directory --jobs 3 --keep-going check test-exporting test-others

test-exporting: .venv/test
	$(PYTEST) $(EXPORTING)

# Three workers on two cores: many tests wait for a deadline.
test-others: .venv/test
	$(PYTEST) --numprocesses 3 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder --durations 30 --ignore $(EXPORTING)

check: .venv/test
	.ci/check

# Each stamp is made anew when the dependencies change.
.venv/demo: pyproject.toml constraints.txt
	test -d .venv || $(PYTHON) -m venv .venv
	$(PIP) install --editable ".[cpu]" --constraint constraints.txt
	touch $@

.venv/test: pyproject.toml constraints.txt
	test -d .venv || $(PYTHON) -m venv .venv
	$(PIP) install --editable ".[cpu,training,test]" --constraint constraints.txt
	touch $@

# What a release is installed from: every version and hash, for Linux and every Python that pyproject.toml allows.
lock: .venv/tools
	$(COMPILE) pyproject.toml --extra cpu --output-file deploy/requirements.lock $(UPGRADE)
	echo 'setuptools>=77' | $(COMPILE) - --output-file deploy/build.lock $(UPGRADE)

# CycloneDX, of what the lock names; a release ships it.
sbom: .venv/tools
	.venv/tools/bin/cyclonedx-py requirements deploy/requirements.lock --pyproject pyproject.toml \
		--output-reproducible --output-file scanside.cdx.json

.venv/tools: Makefile
	test -d .venv || $(PYTHON) -m venv .venv
	$(PYTHON) -m venv $@
	$@/bin/pip --disable-pip-version-check --quiet install uv==0.13.9 cyclonedx-bom==7.5.0
	touch $@

clean:
	rm -rf .venv demo build scanside.cdx.json *.egg-info
