# One command per verb. `make run` and `make test` install what they need into .venv first.

# The newest Python on the PATH, or among pyenv's: 3.13 is about a quarter faster than 3.11 here.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 \
	$$(ls -d $$(pyenv root 2>/dev/null)/versions/3.1[1-4]*/bin/python3 2>/dev/null | sort -rV); do \
	"$$p" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	&& "$$p" -c 'import sys; print("%02d%02d" % sys.version_info[:2], sys.executable)'; done \
	| sort -r | head -1 | cut -d' ' -f2)
BIN := .venv/bin
NODE_DIR := tests/interop/node
PEERS := $(patsubst %,loadtest/targets/node/%/node_modules/.installed,hocuspocus y-websocket-server)
# More than there are cores: tests wait for servers much of the time.
JOBS ?= 3

# Hundreds of servers are started by the tests: none shall compile all of the code for itself.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install run web test prove lint format bench compare soak clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (with venv)"; exit 1; }
	test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

run: install page
	$(BIN)/collab serve --dev

.PHONY: page
page:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web; \
	else echo "No npm here: the canvas page is not built. Install Node 20 or newer for it; all else works."; fi

# The canvas page that the server shows at /.
web: web/dist/.built

web/node_modules/.installed: web/package.json web/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed to build the page: install Node 20.19 or newer"; exit 1; }
	cd web && npm ci --no-audit --no-fund --silent && touch node_modules/.installed

web/dist/.built: web/node_modules/.installed web/package.json web/package-lock.json web/index.html web/xr.html $(shell find web/src web/client web/public -type f 2>/dev/null) \
	$(wildcard web/*.ts web/*.json)
	cd web && npm run --silent build && touch dist/.built

# Stock Yjs clients for the interop tests; without npm those tests skip and say so.
$(NODE_DIR)/node_modules/.installed: $(NODE_DIR)/package.json $(NODE_DIR)/package-lock.json
	if command -v npm >/dev/null; then cd $(NODE_DIR) && npm ci --no-audit --no-fund --silent && touch node_modules/.installed; fi

# Other servers that the load test is run on; without npm likewise.
$(PEERS): %/node_modules/.installed: %/package.json %/package-lock.json
	if command -v npm >/dev/null; then cd $* && npm ci --no-audit --no-fund --silent && touch node_modules/.installed; fi

# Everything, few seeds, short clocks. The page is built before, and not by two test processes at
# once. One file, one process: what the tests of a file share is made once.
test: install page $(NODE_DIR)/node_modules/.installed $(PEERS)
	COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")') \
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not prove" --cov --cov-report=term

# Everything, many seeds, real clocks. Takes tens of minutes.
prove: install page $(NODE_DIR)/node_modules/.installed $(PEERS)
	PROVE=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --timeout 1800

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python -m benchmarks

# This server beside three others, scenario by scenario, as one table. About ten minutes; Node.
compare: install $(PEERS)
	$(BIN)/python -m loadtest.comparison --results bench-results/compare

# An hour of meetings at half load: does what they leave in memory grow? HOURS=8 for a night. It
# fails if that is certain, and if 4 MiB an hour are possible.
HOURS ?= 1
soak: install
	$(BIN)/python -m loadtest run soak --duration $$(($(HOURS) * 3600)) \
		--threshold 'server.memory_slope_low<=0' --threshold 'server.memory_slope_high<=4194304' \
		--json bench-results/soak.json --html bench-results/soak.html

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache build *.egg-info $(NODE_DIR)/node_modules $(dir $(PEERS)) web/node_modules web/dist web/build
