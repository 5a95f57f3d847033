# Two commands are enough: `make demo` and `make test`.

SWIFT ?= swift
SCRATCH ?= .build
# Checking builds keep the invariants that release builds leave out; tests run optimised, because they run whole streams. Lines are all that is needed of
# debugging information, and much faster made.
TEST_SCRATCH ?= .build-test
TEST_FLAGS = -c release -Xswiftc -enable-testing -Xswiftc -DMILLRACE_CHECKS -Xswiftc -gline-tables-only --scratch-path $(TEST_SCRATCH)
MILLRACE = $(SCRATCH)/release/millrace

.PHONY: build demo test unit-build unit-test command-test bench compare deps test-deps clean

build: deps
	$(SWIFT) build -c release --scratch-path $(SCRATCH) --product millrace

# What a bare Debian machine lacks: GNU readline's headers for the prompt, Python for the tests of the command.
deps:
	@missing=""; \
	[ -e /usr/include/readline/readline.h ] || missing="$$missing libreadline-dev"; \
	command -v python3 >/dev/null || missing="$$missing python3"; \
	if [ -n "$$missing" ]; then \
	    if [ "$$(id -u)" = 0 ]; then as_root=""; else as_root="sudo"; fi; \
	    echo "installing$$missing"; \
	    $$as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq $$missing; \
	fi
	@command -v $(SWIFT) >/dev/null || { echo "Swift 6.3 is needed: https://www.swift.org/install/linux/" >&2; exit 1; }

demo: build
	@queries/demo.sh $(MILLRACE)

test: unit-build test-deps
	@$(RUN_TESTS)

RUN_TESTS = PATH="$(abspath $(CLIENTS))/bin:$$PATH" Tests/run.py $(TEST_SCRATCH)

unit-build: deps
	$(SWIFT) build $(TEST_FLAGS) --build-tests

# CLASS chooses classes: make unit-test CLASS=OverOperator
CLASS ?=
unit-test: unit-build
	@$(RUN_TESTS) --unit '$(CLASS)'

# The clients that people use, in a folder of their own, and the Alertmanager of Debian. Where they cannot be installed the tests that need them are
# skipped, and say so.
CLIENTS = .venv-test
test-deps: deps
	@if [ ! -e $(CLIENTS)/whole ]; then \
	    { python3 -m venv --system-site-packages $(CLIENTS) && $(CLIENTS)/bin/pip install --quiet --disable-pip-version-check -r Tests/CommandTests/requirements.txt \
	        && touch $(CLIENTS)/whole; } || echo "the Python clients could not be installed: their tests are skipped" >&2; \
	fi
	@if ! command -v prometheus-alertmanager >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    { timeout 60 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 120 apt-get install -y -qq --no-install-recommends prometheus-alertmanager; } >/dev/null 2>&1 \
	        || echo "prometheus-alertmanager could not be installed: the tests with it are skipped" >&2; \
	fi

# The real binary, built with the checks, from the outside. FILE chooses files: make command-test FILE=test_prompt
FILE ?=
command-test: unit-build test-deps
	@$(RUN_TESTS) --command '$(FILE)'

bench: build
	MILLRACE=$(abspath $(MILLRACE)) Benchmarks/run.sh

# The same query here, on Apache Flink and on DuckDB: make compare QUERY="q3 my.sql" AGAINST=flink
QUERY ?=
AGAINST ?= flink duckdb
compare: build
	MILLRACE=$(abspath $(MILLRACE)) Benchmarks/run.sh compare $(QUERY) --against $(AGAINST)

clean:
	rm -rf $(SCRATCH) $(TEST_SCRATCH) .venv-bench $(CLIENTS) Benchmarks/.cache
