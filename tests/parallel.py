"""Four sessions of pytest in four threads of one process: each test runs in all of them at the same time.

    python parallel.py [--threads 4] [words for pytest, files among them]

Each session has fixtures and loops of its own, so that the tests are those of the suite, unchanged. What a process has only one
of (signals, the environment, warnings, descriptors that are counted) is left out, by the names below. Exits 1 when a
test has failed in any of the threads, or fewer tests were run than MOST_LEFT_OUT allows.
"""

import argparse
import faulthandler
import functools
import gc
import inspect
import os
import pathlib
import re
import sys
import tempfile
import threading
import time

import _pytest.runner
import pytest

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 120  # seconds that a thread may wait for the others before a test
MOST_LEFT_OUT = 0.5  # of the tests that were collected

# Files whose subject is one loop and what it talks with. The others are about processes, of which there is one, or start
# programs of their own.
FILES = [f"test_{name}.py" for name in (
    "accepting", "bad_input", "batches", "buffered", "connecting", "context", "datagram", "datagram_addresses", "datagram_errors",
    "datagram_flow", "delivery", "eof", "error_contexts", "errors", "flow_control", "free_threads", "handles", "keywords", "names",
    "pipes", "protocol_errors", "readiness_order", "scheduling", "sending", "sendfile", "servers", "sock", "sock_cancel",
    "sock_owners", "streams", "tasks", "tcp", "threads", "timers", "tls", "tls_ends", "tls_life", "tls_records", "tls_upgrades",
    "unix", "watch", "wide_buffers", "write",
)]  # fmt: skip

# Fixtures that change what all threads have, or start a process of their own.
SHARED = {
    "monkeypatch",
    "capsys",
    "capfd",
    "caplog",
    "recwarn",
    "script",
    "fresh_policy",
    "pidfd_watcher",
    "watcher",
}

# What a test says that is of the whole process. Numbers of descriptors go to any thread, and any thread's collection takes
# what another expects of its own.
OF_THE_PROCESS = re.compile(
    r"\bsignal\b|set_event_loop_policy|setswitchinterval|pytest\.warns|catch_warnings|\bwarnings\b|\bdescriptors?\b|_number_|"
    r"/proc/self|\bfork|subprocess|waitpid|umask|setrlimit|chdir|getrefcount|weakref|gc\.|tracemalloc|given\(|leaves_no|"
    r"sys\.(modules|stderr|unraisablehook)|threading\.(enumerate|active_count)"
)


@functools.cache
def reason_to_leave_out(item_function, fixtures):
    shared = SHARED.intersection(fixtures)
    if shared:
        return f"fixture {min(shared)}"
    found = OF_THE_PROCESS.search(inspect.getsource(item_function))
    return found and f"says {found[0]!r}"


class Session:
    """A plugin: one of the sessions. It waits for the others before each test, and keeps the failures."""

    def __init__(self, number, barrier, starting, begins):
        self.number, self.barrier, self.begins = number, barrier, begins
        self._starting = starting  # held until all is imported, which pytest does for one thread at a time
        self.collected = self.chosen = self.passed = 0
        self.failures = []
        self.left_out = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        self.collected = len(items)
        kept = []
        for item in items:
            reason = reason_to_leave_out(item.function, tuple(item.fixturenames))
            if item.get_closest_marker("filterwarnings"):
                reason = "changes the filters of warnings"
            if reason:
                self.left_out[item.nodeid] = reason
            else:
                kept.append(item)
        items[:] = kept
        self.chosen = len(kept)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self):
        self._starting.release()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        if self.barrier.wait(LIMIT) == 0:
            faulthandler.dump_traceback_later(LIMIT, exit=True)
            self.begins(item)
        return (yield)

    def pytest_runtest_logreport(self, report):
        if report.failed and not str(report.longrepr).startswith("[XPASS(strict)]"):  # of a warning, for one
            self.failures.append((report.nodeid, report.when, str(report.longrepr)))
            print(f"FAILED in thread {self.number}: {report.nodeid} ({report.when})", flush=True)
        elif report.when == "call":
            self.passed += 1

    def pytest_collectreport(self, report):
        if report.failed and not str(report.longrepr).startswith("[XPASS(strict)]"):  # of a warning, for one
            self.failures.append((report.nodeid, "collect", str(report.longrepr)))

    def run(self, words, folder):
        # Without what is one a process: captured output, warnings' filters, hooks, alarms.
        off = (
            "terminal",
            "warnings",
            "logging",
            "faulthandler",
            "timeout",
            "unraisableexception",
            "threadexception",
        )
        options = [word for name in off for word in ("-p", f"no:{name}")]
        options += ["--capture=no", "-o", "addopts=", "-p", "no:cacheprovider"]
        options += [f"--rootdir={HERE}", f"--basetemp={folder}/{self.number}"]
        self._starting.acquire()
        code = pytest.main([*options, *words], plugins=[self])
        if self._starting.locked() and not self.collected:
            self._starting.release()
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            self.failures.append(("pytest", "session", f"ended with {code!r}"))
        self.barrier.abort()  # the others need not wait


def main(options, words):
    _pytest.runner._update_current_test_var = lambda item, when: None  # a variable of the environment
    collect, collecting = gc.collect, threading.Lock()

    def collect_once(*generation):
        """For all threads that want it now: without a GIL each collection stops them all, and looks at everything."""
        if not collecting.acquire(blocking=False):
            return 0
        try:
            return collect(*generation)
        finally:
            collecting.release()

    gc.collect = collect_once
    words = words if any(".py" in word for word in words) else [*FILES, *words]
    barrier, starting = threading.Barrier(options.threads), threading.Lock()
    begun = time.monotonic()

    def begins(item):
        if options.verbose:
            print(f"{time.monotonic() - begun:6.1f} s: {item.nodeid}", flush=True)

    sessions = [Session(number, barrier, starting, begins) for number in range(options.threads)]
    with tempfile.TemporaryDirectory(prefix="parallel-") as folder:
        threads = [threading.Thread(target=session.run, args=[words, folder]) for session in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    faulthandler.cancel_dump_traceback_later()
    first = sessions[0]
    if options.verbose:
        for name, reason in first.left_out.items():
            print(f"left out: {name}: {reason}")
    for session in sessions:
        for name, when, text in session.failures:
            print(f"\n==== thread {session.number}: {name} ({when})\n{text}")
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(
        f"{options.threads} threads, {'with' if gil else 'without'} a GIL: {first.chosen} of {first.collected} tests, "
        f"passed {[session.passed for session in sessions]}, failed {[len(session.failures) for session in sessions]}"
    )
    enough = first.chosen and (first.chosen >= (1 - MOST_LEFT_OUT) * first.collected)
    return bool(enough) and not any(session.failures for session in sessions)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument(
        "--verbose", action="store_true", help="name each test as it begins, and what is left out"
    )
    options, words = parser.parse_known_args()
    os.chdir(HERE)
    sys.exit(not main(options, words))
