# Two commands do everything on a machine with Python >= 3.11: make campaign, make test.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Locks are complete, so nothing is left to resolve. Modules are compiled when they are first imported.
LOCKED := --require-hashes --no-deps --no-compile --only-binary :all: -r

.PHONY: campaign test test-lab test-data test-harm test-whole test-lowest test-fast mutation perf soak bench results readme notebooks schema format lock clean checks aws-up aws-campaign aws-down
campaign: $(VENV)/ready
	$(BIN)/poolbench campaign quick

test: $(VENV)/ready-to-test checks
	$(PIP) check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	.ci/audit
	@$(BIN)/poolbench lab install-mysqlclient || echo "without a compiler, say: its tests are skipped"
	@echo "Tests now run in parts, side by side, for most of their time is waiting; each reports at its end."
	@$(MAKE) --no-print-directory --jobs 5 --output-sync=target --keep-going test-lab test-data test-harm test-whole $(ALSO)

# What stands in for AWS, what is made of files, what goes wrong, and all the rest: about equally long.
LAB := tests/function tests/lab
DATA := tests/report tests/aws tests/campaign tests/infra tests/micro tests/test_results.py
HARM := tests/cli tests/harm
test-lab:
	$(BIN)/pytest $(LAB)

test-data:
	$(BIN)/pytest $(DATA)

test-harm:
	$(BIN)/pytest $(HARM)

test-whole:
	$(BIN)/pytest $(addprefix --ignore=,$(LAB) $(DATA) $(HARM))

# The oldest releases that pyproject.toml admits, in an environment of their own: a part of the tests, and a whole
# campaign with its report. What drivers do in another event loop is left out: that has changed since. Pythons newer
# than 3.12 have no wheels of some of these releases.
LOWEST := build/lowest
test-lowest: $(LOWEST)/ready
	$(LOWEST)/bin/pytest -W default -m 'not slow' -k 'not event_loop' tests/function tests/campaign \
	  tests/report/test_statistics.py tests/report/test_load.py tests/report/test_summary.py
	$(LOWEST)/bin/poolbench campaign smoke --store $(LOWEST)/store --out $(LOWEST)/smoke

$(LOWEST)/ready: requirements-lowest.lock pyproject.toml | $(VENV)/ready
	@rm -rf $(LOWEST)
	@$(BIN)/python -m venv --without-pip $(LOWEST)
	$(PIP) --python $(LOWEST) install $(LOCKED) requirements-lowest.lock
	$(PIP) --python $(LOWEST) install --no-deps --no-build-isolation --editable .
	@$(LOWEST)/bin/python -m compileall -q -j 0 $(LOWEST)/lib
	@touch $@

# Which changes to the code no test notices; not for CI, as it takes a quarter of an hour. tests/mutation.toml says of
# which modules. mutmut wants sources below src/ and pyproject.toml, so it runs in a copy.
MUTATED := build/mutation
mutation: $(VENV)/ready-to-test build/checks/mutation/ready
	@rm -rf $(MUTATED) && mkdir -p $(MUTATED)
	@cp -r bench $(MUTATED)/src && cp -r tests results $(MUTATED)
	@cat pyproject.toml tests/mutation.toml > $(MUTATED)/pyproject.toml
	cd $(MUTATED) && export PYTHONPATH=$$(ls -d $(CURDIR)/$(VENV)/lib/python3*/site-packages) && \
	  $(CURDIR)/$(CHECKS)/mutation/bin/mutmut run; $(CURDIR)/$(CHECKS)/mutation/bin/mutmut results

test-fast: $(VENV)/ready-to-test
	$(BIN)/pytest -m 'not slow'

perf: $(VENV)/ready-to-test
	@$(BIN)/python -m perf

# An hour of campaigns on one lab: does anything grow? `make soak MINUTES=15` for less.
MINUTES := 60
soak: $(VENV)/ready-to-test
	$(BIN)/python -m perf.soak quick --minutes $(MINUTES)

bench: $(VENV)/ready-to-test
	$(BIN)/poolbench lab exec -- $(BIN)/pytest bench/micro

# Measures anew what README and the notebooks show; 40 minutes, for a quiet Debian and, as packets are to be lost, root.
SHOWN := quick quick_rtt full concurrency matrix matrix_tls wait_timeout frozen outages black_hole
ASKED := questions stale_pool
OPTIONS_wait_timeout := --server mysql-prefix
OPTIONS_frozen := --freeze SIGSTOP+drop
results: $(VENV)/ready-to-test
	$(BIN)/poolbench lab install-mysql
	$(BIN)/poolbench lab install-mysqlclient
	rm -rf results build/store build/benchmark.json
	$(foreach name,$(SHOWN) $(ASKED),$(BIN)/poolbench campaign $(name) $(OPTIONS_$(name)) \
	  --store build/store --out results/$(name) &&) true
	$(BIN)/poolbench lab exec -- $(BIN)/pytest bench/micro --benchmark-json build/benchmark.json
	$(BIN)/python -m micro build/benchmark.json results/micro
	$(MAKE) readme notebooks

# What README says of the results, from the results; `make test` fails where the two differ.
readme: $(VENV)/ready
	$(BIN)/poolbench readme $(addprefix results/,$(SHOWN) micro)

# The columns of the Glue table, from the model; `make test` fails where the two differ.
schema: $(VENV)/ready
	$(BIN)/python infra/columns.py

# The same of the notebooks.
notebooks: $(VENV)/ready-to-test
	$(BIN)/poolbench notebooks

format: $(VENV)/ready-to-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Universal: one lock for every Python and platform; uv is needed for this alone. No host names get in.
# Versions that a lock has stay; to take newer ones, remove it first.
# requirements.lock: what a campaign and its report need; requirements-test.lock: what everything else needs on top;
# requirements-lowest.lock: the oldest releases that pyproject.toml admits, and those of tests.
COMPILE := uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate --no-header
CAMPAIGN_NEEDS := --extra cli --extra lab --extra report --group build
lock:
	$(COMPILE) $(CAMPAIGN_NEEDS) pyproject.toml -o requirements.lock
	$(COMPILE) --all-extras --group build --group test --group lint --constraint requirements.lock \
	  $$(sed -n 's/==.*//p' requirements.lock | sort -u | sed 's/^/--no-emit-package /') \
	  pyproject.toml -o requirements-test.lock
	$(COMPILE) --resolution lowest-direct --extra cli --extra lab --extra report --extra drivers --group build \
	  --group test pyproject.toml -o requirements-lowest.lock
	$(COMPILE) --constraint requirements.lock pyproject.toml -o infra/lambda.lock
	for tool in sam:aws-sam-cli checkov:checkov audit:pip-audit mutation:mutmut; do echo $${tool#*:} | \
	  $(COMPILE) - -o infra/$${tool%:*}.lock || exit 1; done

# Tools that check infra/ and the locks, and one that mutates, each in an environment of its own: their requirements exclude one another.
CHECKS := build/checks
checks: $(CHECKS)/sam/ready $(CHECKS)/checkov/ready $(CHECKS)/audit/ready

$(CHECKS)/%/ready: infra/%.lock | $(VENV)/ready
	@rm -rf $(@D)
	@$(BIN)/python -m venv --without-pip $(@D)
	$(PIP) --python $(@D) install $(LOCKED) $<
	@touch $@

# On AWS (infra/README.md): make aws-up aws-campaign, then make aws-down RESULTS=keep, or RESULTS=delete.
STACK := poolbench
IDLE_CLIENT_TIMEOUT := 60
CAMPAIGN := aws
MAX_USD := 5
ON_AWS = --stack $(STACK) $(if $(REGION),--region $(REGION))
aws-up: $(VENV)/ready $(CHECKS)/sam/ready
	$(BIN)/poolbench bundle
	$(BIN)/poolbench deploy $(ON_AWS) --idle-client-timeout $(IDLE_CLIENT_TIMEOUT) $(DEPLOY)

aws-campaign: $(VENV)/ready
	$(BIN)/poolbench campaign $(CAMPAIGN) --target aws $(ON_AWS) $(if $(MAX_USD),--max-usd $(MAX_USD))

aws-down: $(VENV)/ready
	$(BIN)/poolbench destroy $(ON_AWS) $(if $(RESULTS),--results $(RESULTS))

clean:
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# What a campaign and its report need. Debian's python3 comes without ensurepip; then pip is fetched from the
# machine's own archive. What a campaign imports is compiled now, lest its first run, with the functions' first
# starts in it, be slower than later ones; most other modules never are imported.
IMPORTED := awslambdaric.bootstrap, boto3.session, pymysql, sqlalchemy.dialects.mysql.pymysql, \
  sqlalchemy.dialects.sqlite.pysqlite, click, rich.progress, rich.live, pyarrow.parquet, pyarrow.compute, \
  pandas, matplotlib.pyplot, matplotlib.backends.backend_svg, jinja2, h11, cryptography.x509, \
  flask_cors, moto.moto_server.werkzeug_app, moto.s3.responses, moto.secretsmanager.responses, \
  moto.sts.responses
$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "poolbench needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@rm -rf $(VENV)
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); else \
	  $(PYTHON) -m venv --without-pip $(VENV) && \
	  PYTHONPATH=bench $(PYTHON) -m poolbench.lab.debs fetch python3-pip-whl --into build/pip && \
	  $(BIN)/python "$$(ls build/pip/usr/share/python-wheels/pip-*.whl)/pip" install --quiet --no-index \
	    --find-links build/pip/usr/share/python-wheels pip; fi
	$(PIP) install $(LOCKED) requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c 'import $(IMPORTED)'
	@touch $@

# What everything else needs on top: tests, linters, notebooks, other drivers.
$(VENV)/ready-to-test: requirements-test.lock $(VENV)/ready
	$(PIP) install $(LOCKED) requirements-test.lock
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib
	@touch $@
