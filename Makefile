# Two commands for a new user: `make demo` and `make test`. Everything lives in .venv and demo/.

PYTHON ?= python3
SERIES ?=
PIP := .venv/bin/pip --disable-pip-version-check --quiet

.PHONY: demo test check clean

demo: .venv/demo
	.venv/bin/scanside demo $(SERIES)

test: .venv/test
	.ci/check
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest --numprocesses 2 --dist loadfile --durations 30

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

clean:
	rm -rf .venv demo build *.egg-info
