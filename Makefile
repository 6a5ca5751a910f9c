# `make` lists the targets. `make demo` shows the main use, `make test` runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := streamplex service-kit proxy-service device oauth-stub
# with the Node that runs JavaScript programs, and the client of a fleet's engine
COMMA := ,
INSTALLED := $(patsubst proxy-service,proxy-service[fleet$(COMMA)otel],$(PACKAGES:device=device[js]))
SOURCES := $(PACKAGES:%=%/src)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: $(VENV)/.installed ## create the virtual environment (needs Python 3.11 or later)

$(VENV)/.installed: constraints.txt pyproject.toml $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed, this is " + sys.version.split()[0])'
	@echo "Installing the five packages and the development tools into $(VENV). This takes about half a minute."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip flit_core
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --group dev $(INSTALLED:%=--editable './%')
	@touch $@

# Each process first collects all tests, which takes 3 s. More than 8 processes are not faster.
TEST_PROCESSES ?= auto

# Tests of whole processes use a core for a third of their time: they wait for starts and timeouts.
WAITING_PROCESSES := 4

.PHONY: test
test: setup ## run unit, interop and docs tests with coverage (6 minutes); tests/README.md explains
	@echo "The tests take about 6 minutes on two idle cores. TEST_PROCESSES=1 runs them one by one."
	$(BIN)/pytest --numprocesses=$(TEST_PROCESSES) --maxprocesses=8 --dist=worksteal --cov --cov-report=
	$(BIN)/coverage report --include='streamplex/src/*' --fail-under=100
	@for package in $(filter-out streamplex,$(PACKAGES)); do \
	  $(BIN)/coverage report --include="$$package/src/*" --fail-under=90 || exit 1; \
	done

.PHONY: lint
lint: setup ## check style, types and imports: ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES) bench docs/tools
	$(BIN)/lint-imports

.PHONY: settings-page
settings-page: setup ## write docs/settings.md from the tables of settings in the code
	$(BIN)/python -m docs.tools.settings_page

.PHONY: errors-page
errors-page: ## copy docs/errors.md into the package that explains errors
	cp docs/errors.md proxy-service/src/tessel_proxy/explanations/errors.md

# The generator is installed when it is needed for the first time.
$(VENV)/.docs-installed: $(VENV)/.installed constraints.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	@touch $@

# So are the driver of the browser, which is large, and the rules of accessibility.
$(VENV)/.page-installed: $(VENV)/.installed constraints.txt pyproject.toml
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --group page
	@touch $@

# And a MicroPython with its compiler, if there is one for this system; without, its tests say so.
$(VENV)/.clients-installed: $(VENV)/.installed constraints.txt pyproject.toml
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --group clients \
	  && touch $@ || echo "no MicroPython could be installed: its tests are skipped"

.PHONY: page-test
page-test: setup $(VENV)/.page-installed ## test the operator's page in a real Chromium, if one is installed (2 minutes)
	$(BIN)/pytest tests/page --numprocesses=3 --dist=worksteal

.PHONY: page-screenshots
page-screenshots: setup $(VENV)/.page-installed ## take the pictures of the operator's page anew; ARGS=--serve: only serve it with an invented fleet
	PYTHONPATH=tests:. $(BIN)/python -m support.page.screenshots $(ARGS)

SITE := docs/build/site

.PHONY: docs
docs: setup $(VENV)/.docs-installed ## build the site: all pages and the API reference; warnings and broken links fail
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto docs $(SITE)
	@echo "Open $(SITE)/README.html"

.PHONY: dist
dist: setup ## build sdist and wheel of each package into dist/, and check their metadata
	rm -rf dist
	for package in $(PACKAGES); do \
	  $(BIN)/python -m build --no-isolation --outdir dist $$package || exit 1; \
	done
	$(BIN)/twine check --strict dist/*

COMPILED := build/compiled
COMMANDS := $(filter-out streamplex,$(PACKAGES))
COMPILED_TESTS ?= tests/unit/streamplex tests/interop
PURELIB := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'

# Everything else comes from $(VENV), whose folder is searched behind that of the wheels.
.PHONY: compiled-test
compiled-test: setup ## build the compiled wheel of streamplex, and run tests with it (a minute; needs a C compiler)
	rm -rf $(COMPILED) && mkdir -p $(COMPILED)
	STREAMPLEX_COMPILED=1 $(BIN)/python -m build --no-isolation --outdir $(COMPILED)/dist streamplex >$(COMPILED)/log 2>&1 \
	  || { cat $(COMPILED)/log; exit 1; }
	$(BIN)/python -m venv --without-pip $(COMPILED)/venv
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(COMPILED)/dist $(COMMANDS:%=./%)
	$(BIN)/python -m pip --python $(COMPILED)/venv/bin/python install --quiet --no-deps $(COMPILED)/dist/*.whl
	echo "import site; site.addsitedir('$$($(BIN)/python $(PURELIB))')" \
	  >"$$($(COMPILED)/venv/bin/python $(PURELIB))/others.pth"
	STREAMPLEX_COMPILED=1 $(COMPILED)/venv/bin/python -m pytest $(COMPILED_TESTS) \
	  --numprocesses=$(TEST_PROCESSES) --maxprocesses=8 --dist=worksteal

VERSION_LINE := s/^version = ".*"/version = "$(VERSION)"/
OWN_DEPENDENCY := s/"(streamplex|tessel-[a-z-]+)~=[^"]*"/"\1~=$(VERSION)"/

.PHONY: version
version: ## set the version of all packages: make version VERSION=0.2.0
	@echo "$(VERSION)" | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+' || { echo "make version VERSION=0.2.0: expected three numbers"; exit 1; }
	sed -i.bak -E '$(VERSION_LINE); $(OWN_DEPENDENCY)' $(PACKAGES:%=%/pyproject.toml)
	rm $(PACKAGES:%=%/pyproject.toml.bak)

.PHONY: hooks
hooks: setup ## let git run the linters and check the subject at each commit
	$(BIN)/pre-commit install

.PHONY: check
check: lint test ## run lint and test, as before a commit

.PHONY: demo
demo: setup ## run a device, a proxy and two sites on this machine, without containers
	$(BIN)/python -m demo

.PHONY: hardening
hardening: setup ## test the proxy under attack and failure: fuzzing, silent peers, kills (4 minutes)
	$(BIN)/pytest tests/hardening --numprocesses=$(WAITING_PROCESSES) --dist=worksteal

.PHONY: clients-test
clients-test: setup $(VENV)/.clients-installed ## test the clients for other boards against the real proxy: fuzzing, sizes, examples (3 minutes)
	$(BIN)/pytest tests/clients tests/interop/clients --clients=c,micropython --numprocesses=2 --dist=worksteal

BENCH_BUILT := bench/build
BENCH_NATIVE := bench/native

.PHONY: bench
bench: setup $(BENCH_BUILT)/site $(BENCH_BUILT)/load ## compare the proxy's speed with other programs; ARGS=--help for options
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-javascript
bench-javascript: setup $(BENCH_BUILT)/site ## compare JavaScript programs on the device with Python's; ARGS=--help for options
	$(BIN)/python -m bench.javascript $(ARGS)

.PHONY: bench-workers
bench-workers: setup $(BENCH_BUILT)/site $(BENCH_BUILT)/load ## compare two workers with one process; ARGS=--help for options
	$(BIN)/python -m bench.workers $(ARGS)

.PHONY: bench-operator
bench-operator: setup $(BENCH_BUILT)/site $(BENCH_BUILT)/load ## measure what watching costs the proxy; ARGS=--help for options
	$(BIN)/python -m bench.operating $(ARGS)

.PHONY: bench-gateway
bench-gateway: setup $(BENCH_BUILT)/site $(BENCH_BUILT)/load ## compare gateway and proxy with ssh -D and sshd; ARGS=--help for options
	$(BIN)/python -m bench.gateway $(ARGS)

.PHONY: bench-instructions
bench-instructions: setup $(BENCH_BUILT)/site $(BENCH_BUILT)/load $(BENCH_BUILT)/counted.so ## count the proxy's instructions with callgrind; ARGS=--help for options
	$(BIN)/python -m bench.instructions $(ARGS)

.PHONY: bench-peers
bench-peers: ## install the other programs for `make bench`, and a C compiler (Debian, as root)
	apt-get install --yes --no-install-recommends openssh-server openssh-client stunnel4 valgrind gcc libc6-dev libssl-dev

$(BENCH_BUILT)/counted.so: $(BENCH_NATIVE)/counted.c
	@mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -shared -fPIC -o $@ $< -ldl
$(BENCH_BUILT)/site: $(BENCH_NATIVE)/site.c
$(BENCH_BUILT)/load: $(addprefix $(BENCH_NATIVE)/,load.c modes.c hold.c stream.c tunnel.c conn.c load.h modes.h)
$(BENCH_BUILT)/%:
	@command -v $(CC) >/dev/null || { echo "The bench needs a C compiler; make bench-peers installs one."; exit 1; }
	@mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -o $@ $(filter %.c,$^) -lssl -lcrypto

.PHONY: e2e-local
e2e-local: setup ## run the end-to-end tests with processes on this machine
	$(BIN)/pytest tests/e2e --deployment=local --numprocesses=2 --dist=worksteal

.PHONY: e2e
e2e: setup ## run the end-to-end tests in containers
	$(BIN)/pytest tests/e2e --deployment=compose --numprocesses=2 --dist=worksteal

.PHONY: deploy-test
deploy-test: setup ## test the files in deploy/ with systemd, HAProxy and Docker, as far as installed
	$(BIN)/pytest tests/deploy --numprocesses=2 --dist=loadfile

.PHONY: up
up: ## run the demo in containers
	docker compose up --build --exit-code-from device

.PHONY: down
down: ## remove the demo's containers, networks and certificates
	docker compose down --volumes

.PHONY: clean
clean: ## remove all generated files, including the virtual environment
	rm -rf $(VENV) $(BENCH_BUILT) build .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist docs/build
	find $(PACKAGES) lab tests demo examples bench -name __pycache__ -type d -prune -exec rm -rf {} +
