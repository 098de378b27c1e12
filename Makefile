PYTHON ?= python3
BIN := .venv/bin
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" .setup/lock/bin/uv --quiet pip compile --system-certs \
	--universal --generate-hashes

# Else a machine that has it set compiles all of stackctl for each command of a test.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help setup venv demo check types units-a-h units-i-z test thorough properties benchmark reports prove faults soak hostile audit package lock down clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## install what is missing: Python packages, Docker Engine, base images, k6
	@$(PYTHON) .ci/setup

venv:
	@$(PYTHON) .ci/setup venv

demo: setup ## release v2 of the reference stack under load; it stays up
	@.ci/demo

check: venv ## format, lint, types and unit tests
	$(BIN)/ruff format --check . .ci
	$(BIN)/ruff check . .ci
	@$(MAKE) --no-print-directory --jobs 3 --output-sync types units-a-h units-i-z

# Beside each other: mypy uses one core, and a test is collected once, where each worker of xdist collects all.
types:
	$(BIN)/mypy
	$(BIN)/mypy .ci/setup

units-a-h:
	$(BIN)/pytest tests/unit/test_[!i-z]*.py tests/golden -p no:schemathesis

units-i-z:
	$(BIN)/pytest tests/unit/test_[i-z]*.py -p no:schemathesis

# By worksteal neighbours share a worker, so that a service and its database are started by one of them.
test: setup check ## all of `check`, then every test, those on real Docker too
	$(BIN)/pytest tests/properties tests/contract services -n 3 --dist worksteal
	$(BIN)/pytest tests/e2e -n 3 --dist loadgroup -m "not thorough"

thorough: setup ## the end-to-end tests that `test` leaves out
	$(BIN)/pytest tests/e2e -m thorough

properties: setup ## 10,000 new examples of each property test; takes an hour or more
	HYPOTHESIS_PROFILE=long $(BIN)/pytest tests/properties -n 2

benchmark: setup ## print the numbers of the README, side by side in one run
	@command -v wrk >/dev/null || apt-get install -y -qq --no-install-recommends wrk
	$(BIN)/python -m benchmarks

reports: demo ## fill reports/: a release of each service under load, a load test of each script
	for script in test notes auth assets-upload; do $(BIN)/stackctl bench $$script || exit 1; done
	$(BIN)/stackctl evidence verify

prove: setup ## switch the safeguards off one at a time, and see the tests go red
	$(BIN)/python -m tests.prove

faults: setup ## every fault at every boundary of a release, on engines of its own too; as root; writes reports/FAULTS.md
	$(BIN)/python -m tests.faults

soak: setup ## 60 deploys and 15 rollbacks under load: nothing lost, nothing left behind; writes reports/SOAK.md
	$(BIN)/python -m tests.soak

hostile: setup ## attack the reference stack, and doors with TLS, beside honest users; writes reports/HOSTILE.md
	$(BIN)/python -m tests.hostile

audit: ## ask whether vulnerabilities are known of what the lock files name
	@$(PYTHON) -m venv .setup/audit
	@.setup/audit/bin/pip install -qq --disable-pip-version-check --require-hashes -r .ci/setup/audit.txt
	@$(PYTHON) .ci/setup/audit.py $(ARGS)

package: venv ## build the wheel and the source distribution into dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation

lock: ## write the lock files anew: newer versions only where asked for with ARGS=--upgrade
	$(PYTHON) -m venv .setup/lock
	.setup/lock/bin/pip install --quiet --require-hashes -r .ci/setup/installer.txt
	$(COMPILE) $(ARGS) --python-version 3.11 --extra dev pyproject.toml -o requirements.lock
	$(COMPILE) $(ARGS) --python-version 3.11 -c requirements.lock pyproject.toml .ci/setup/builder.in -o requirements-run.lock
	$(COMPILE) $(ARGS) --python-version 3.11 -c requirements.lock .ci/setup/installer.in -o .ci/setup/installer.txt
	$(COMPILE) $(ARGS) --python-version 3.11 -c requirements.lock .ci/setup/audit.in -o .ci/setup/audit.txt
	$(COMPILE) $(ARGS) --python-version 3.13 .ci/images/mongo/requirements.in -o .ci/images/mongo/requirements.txt
	for service in notes auth assets; do $(COMPILE) $(ARGS) --python-version 3.13 \
		services/$$service/requirements.in -o services/$$service/requirements.txt || exit 1; done

down: ## remove the reference stack's containers and networks
	$(BIN)/stackctl down

clean: ## remove what `setup` and the tools wrote into this directory
	rm -rf .venv .setup build dist *.egg-info .coverage htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
