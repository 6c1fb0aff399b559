"""Runs each test in a process of its own, forked from one that has imported everything and made no loop."""

import faulthandler
import gc
import json
import os
import pathlib
import selectors
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unittest
from dataclasses import asdict, dataclass

KEPT_OUTPUT = 20_000  # characters of what a test printed, its last


@dataclass
class Outcome:
    """What became of one test: ``kind`` is passed, failed, skipped, crashed or late."""

    kind: str
    detail: str = ""  # tracebacks, the reason of a skip, what a dead process left
    seconds: float = 0.0
    engine: bool = False  # whether the test made a goloop loop


class Result(unittest.TestResult):
    """Collects what unittest tells of one test, its subtests, and its class's and module's fixtures."""

    def outcome(self):
        problems = [text for _, text in self.errors + self.failures]
        problems += [f"{test} was expected to fail and passed" for test in self.unexpectedSuccesses]
        if problems:
            return Outcome("failed", "\n".join(problems))
        if self.skipped:
            return Outcome("skipped", "; ".join(sorted({reason for _, reason in self.skipped})))
        if not self.testsRun:
            return Outcome("failed", "the test did not run")
        return Outcome("passed")


@dataclass
class Child:
    job: object
    pid: int
    reader: int
    output: object
    folder: str
    started: float
    said: bytes = b""
    late: bool = False


class Pool:
    """Runs jobs, a few at a time.

    A job has ``test`` (a unittest.TestCase) and ``prepare()``, called in the child before the test.
    """

    def __init__(self, width, limit, engine_loaded):
        """``limit`` in seconds for one test; ``engine_loaded()`` is asked in the child after the test."""
        self.width = width
        self.limit = limit
        self.engine_loaded = engine_loaded
        self.root = tempfile.mkdtemp(prefix="conformance-")
        self.count = 0

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, jobs):
        """Yield (job, outcome) in the order in which the tests end."""
        waiting = list(reversed(jobs))
        gc.collect()
        gc.freeze()  # a collection in a child shall neither visit nor copy what the parent has imported
        with selectors.DefaultSelector() as selector:
            try:
                while waiting or selector.get_map():
                    while waiting and len(selector.get_map()) < self.width:
                        child = self.start(waiting.pop())
                        selector.register(child.reader, selectors.EVENT_READ, child)
                    for child in self.finished(selector):
                        selector.unregister(child.reader)
                        yield child.job, self.end(child)
            finally:
                for key in list(selector.get_map().values()):
                    self.end(key.data)

    def finished(self, selector):
        children = [key.data for key in selector.get_map().values()]
        now = time.monotonic()
        for child in children:
            if not child.late and now - child.started > self.limit:
                child.late = True
                os.kill(child.pid, signal.SIGABRT)  # faulthandler then says where it was
        due = min(child.started + self.limit + (5 if child.late else 0) for child in children)
        ready = {key.data.reader for key, _ in selector.select(max(0, due - now))}
        for child in children:
            if child.reader in ready:
                piece = os.read(child.reader, 1 << 16)
                child.said += piece
                # A line is the whole answer. End of file without one: the process died.
                if not piece or piece.endswith(b"\n"):
                    yield child
            elif child.late and time.monotonic() - child.started > self.limit + 5:
                yield child

    def start(self, job):
        self.count += 1
        folder = os.path.join(self.root, str(self.count))
        os.mkdir(folder)
        reader, writer = os.pipe()
        output = tempfile.TemporaryFile()  # noqa: SIM115 - end() closes it
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(reader)
                answer = run_alone(job, folder, output.fileno(), self.engine_loaded)
                os.write(writer, json.dumps(asdict(answer)).encode() + b"\n")
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(writer)
        return Child(job, pid, reader, output, folder, time.monotonic())

    def end(self, child):
        try:
            os.killpg(child.pid, signal.SIGKILL)  # with whatever the test has left running
        except (ProcessLookupError, PermissionError):
            os.kill(child.pid, signal.SIGKILL)
        _, status = os.waitpid(child.pid, 0)
        os.close(child.reader)
        child.output.seek(0)
        printed = child.output.read().decode(errors="replace")[-KEPT_OUTPUT:]
        child.output.close()
        shutil.rmtree(child.folder, ignore_errors=True)
        if child.late:
            outcome = Outcome("late", f"not done after {self.limit} s")
        elif child.said.endswith(b"\n"):
            outcome = Outcome(**json.loads(child.said))
        else:
            outcome = Outcome("crashed", how_it_died(status))
        outcome.seconds = time.monotonic() - child.started
        if outcome.kind not in ("passed", "skipped") and printed.strip():
            outcome.detail += f"\n--- printed ---\n{printed}"
        return outcome


def how_it_died(status):
    code = os.waitstatus_to_exitcode(status)
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code} and no result"


def run_alone(job, folder, output, engine_loaded):
    """In the child: run the test in a folder and a session of its own."""
    os.setsid()
    os.chdir(folder)
    with open(os.devnull) as null:
        os.dup2(null.fileno(), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    faulthandler.enable()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell ignores it for what runs in its background
    job.prepare()
    result = Result()
    unittest.TestSuite([job.test]).run(result)
    outcome = result.outcome()
    outcome.engine = engine_loaded()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return outcome


def number_of_threads():
    """Of this process, or 1 where the system does not tell."""
    tasks = pathlib.Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else 1
