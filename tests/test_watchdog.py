"""What the watchdog tells of a callback that holds a loop. asyncio tells of it after it has ended, in debug mode.

Each time.sleep is what holds the loop.
"""

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.goloop_only

THRESHOLD = 0.1
PRELUDE = f"""
    import asyncio, ctypes, json, logging, os, re, signal, sys, threading, time
    import goloop
    from goloop import control

    reports = []
    arrived = threading.Condition()

    def report(found):
        with arrived:
            reports.append(found)
            arrived.notify_all()

    def wait_for_reports(n):
        with arrived:
            assert arrived.wait_for(lambda: len(reports) >= n, 20), reports

    async def until_it_is_told():
        while not [each for each in control.stalls() if each["event"] == "ended"]:
            await asyncio.sleep(0.001)

    def held(callback):
        '''Run a callback on a loop that is watched, and return both reports.'''
        async def main():
            await asyncio.sleep(0)
            callback()
            await asyncio.sleep(0)
        goloop.run(main())
        wait_for_reports(2)
        stalled, ended = reports
        assert (stalled["event"], ended["event"]) == ("stalled", "ended"), reports
        assert {THRESHOLD} <= stalled["seconds"] <= ended["seconds"]
        assert stalled["pid"] == os.getpid() and stalled["native_id"] == threading.get_native_id()
        return stalled, ended

    goloop.watch({THRESHOLD}, report)
"""


@pytest.fixture
def program(tmp_path):
    """Run a program in a fresh interpreter; returns what it wrote to standard error."""

    def run(source, **environment):
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(PRELUDE) + textwrap.dedent(source))
        env = {**os.environ, **environment}
        done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=25, env=env)
        assert done.returncode == 0, done.stderr
        return done.stderr

    return run


def test_python_code(program):
    program("""
        def spin():
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                pass
        stalled, ended = held(spin)
        assert stalled["state"] == "python"
        assert stalled["stack"][0].split(" ")[1] == "spin" and "program.py:" in stalled["where"]
        assert stalled["thread"] == "MainThread" and "main" in stalled["task"]
        assert ended["seconds"] >= 0.4
    """)


def test_call_that_lets_go_of_the_gil(program):
    program("""
        stalled, _ = held(lambda: time.sleep(0.5))
        assert stalled["state"] == "python" and stalled["scheduler"] == "S", stalled
    """)


def test_lock_that_is_taken_twice(program):
    program("""
        lock = threading.Lock()
        lock.acquire()
        stalled, _ = held(lambda: lock.acquire(timeout=0.5))
        assert stalled["where"].endswith("<lambda>"), stalled
    """)


def test_c_call_that_keeps_the_gil(program):
    """Told on standard error while it lasts, for nobody else can be told."""
    errors = program("""
        usleep = ctypes.PyDLL(None).usleep
        async def main():
            await asyncio.sleep(0)
            usleep(700_000)
            os.write(2, b"it is over\\n")
            await asyncio.sleep(0)
        goloop.run(main())
        wait_for_reports(1)
        [ended] = reports
        assert ended["event"] == "ended" and ended["state"] == "native", ended
    """)
    line, over = errors.splitlines()[:2]
    assert over == "it is over"
    told = json.loads(line[line.index("{") :])
    assert told["state"] == "native"
    assert "program.py:" in told["where"]
    assert told["where"].endswith(" main")


def test_loop_that_goes_on_is_not_told_of(program):
    """The threshold is what no machine lets a thread wait for."""
    program("""
        goloop.watch(0.5, report)
        async def main():
            until = time.monotonic() + 1
            while time.monotonic() < until:
                await asyncio.sleep(0)
            await asyncio.sleep(1)
        goloop.run(main())
        assert not control.stalls(), control.stalls()
    """)


def test_stopped_process_is_not_told_of(program):
    """SIGSTOP while a short callback runs: the time is nobody's."""
    program(f"""
        async def main():
            await asyncio.sleep(0)
            if (child := os.fork()) == 0:
                time.sleep({5 * THRESHOLD})
                os.kill(os.getppid(), signal.SIGCONT)
                os._exit(0)
            os.kill(os.getpid(), signal.SIGSTOP)
            await asyncio.sleep(0)
            os.waitpid(child, 0)
        goloop.run(main())
        assert not control.stalls(), control.stalls()
    """)


def test_debugger_is_not_told_of(program, tmp_path):
    (tmp_path / "pdb.py").write_text("import time\ndef prompt():\n    time.sleep(0.5)\n")
    program(f"""
        sys.path.insert(0, {str(tmp_path)!r})
        import pdb
        async def main():
            await asyncio.sleep(0)
            pdb.prompt()
        goloop.run(main())
        assert not control.stalls(), control.stalls()
    """)


def test_loops_of_all_threads_are_watched(program):
    program("""
        async def main():
            time.sleep(0.5)
        threads = [threading.Thread(target=lambda: goloop.run(main()), name=f"loop {n}") for n in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        wait_for_reports(4)
        assert {each["thread"] for each in reports} == {"loop 0", "loop 1"}
    """)


def test_forked_child_watches_its_own(program):
    program("""
        async def main():
            time.sleep(0.5)
        child = os.fork()
        if child == 0:
            goloop.run(main())
            wait_for_reports(2)
            assert {each["pid"] for each in reports} == {os.getpid()}
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert not reports
    """)


def test_unwatch(program):
    program("""
        goloop.unwatch()
        goloop.run(asyncio.sleep(0))
        async def main():
            time.sleep(0.4)
        goloop.run(main())
        assert not control.stalls()
        goloop.watch(0.1, report)
        held(lambda: time.sleep(0.4))
    """)


def test_sink_that_raises_is_told_of_and_not_the_end(program):
    errors = program("""
        def broken(found):
            report(found)
            raise LookupError("of the sink")
        goloop.watch(0.1, broken)
        held(lambda: time.sleep(0.4))
    """)
    assert errors.count("LookupError: of the sink") == 2


def test_logger(program):
    errors = program("""
        logging.basicConfig()
        goloop.watch(0.1)
        async def main():
            time.sleep(0.4)
            await until_it_is_told()
        goloop.run(main())
    """)
    assert errors.count("WARNING:goloop:goloop: loop") == 2


def test_environment_and_a_file(program, tmp_path):
    log = tmp_path / "log"
    program(f"""
        goloop.watch(0.1, {str(log)!r})
        async def main():
            time.sleep(0.4)
            await until_it_is_told()
        goloop.run(main())
    """)
    lines = log.read_text().splitlines()
    assert [json.loads(line[line.index("{") :])["event"] for line in lines] == ["stalled", "ended"]


@pytest.mark.parametrize("last", ["", "goloop.unwatch()"], ids=["program", "watch"])
def test_end_is_told_when_nothing_comes_after_it(program, tmp_path, last):
    log = tmp_path / "log"
    program(f"""
        goloop.watch(0.4, {str(log)!r})
        async def main():
            while not os.path.getsize({str(log)!r}):
                pass
        goloop.run(main())
        {last}
    """)
    lines = log.read_text().splitlines()
    assert [json.loads(line[line.index("{") :])["event"] for line in lines] == ["stalled", "ended"]


def test_environment(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(
        "import asyncio, goloop, time\nfrom goloop import control\n"
        "async def main():\n    time.sleep(0.4)\n"
        "    while not [each for each in control.stalls() if each['event'] == 'ended']:\n        await asyncio.sleep(0.001)\n"
        "goloop.run(main())\n"
    )
    env = {**os.environ, "GOLOOP_WATCHDOG": "0.1"}
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=25, env=env)
    assert done.returncode == 0
    assert done.stderr.count("goloop: loop") == 2
    env["GOLOOP_WATCHDOG"] = "soon"
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=25, env=env)
    assert "ValueError: goloop: GOLOOP_WATCHDOG is a number of seconds above zero" in done.stderr


@pytest.mark.linux_only
def test_file_is_closed_with_the_next_watch(program, tmp_path):
    log = tmp_path / "log"
    program(f"""
        for _ in range(3):
            goloop.watch(10, {str(log)!r})
        assert sum(os.path.realpath(f"/proc/self/fd/{{fd}}") == {str(log)!r} for fd in os.listdir("/proc/self/fd")) == 1
        goloop.unwatch()
        assert {str(log)!r} not in [os.path.realpath(f"/proc/self/fd/{{fd}}") for fd in os.listdir("/proc/self/fd")]
    """)


@pytest.mark.parametrize("threshold", [0, -1, float("nan")])
def test_threshold_must_be_above_zero(threshold):
    import goloop

    with pytest.raises(ValueError, match="above zero"):
        goloop.watch(threshold)


def test_path_that_cannot_be_written(tmp_path):
    import goloop

    with pytest.raises(FileNotFoundError) as info:
        goloop.watch(1, tmp_path / "no" / "file")
    assert pathlib.Path(info.value.filename) == tmp_path / "no" / "file"


@pytest.mark.since("3.13")
def test_sub_interpreter_is_refused(program):
    program("""
        import _interpreters
        number = _interpreters.create()
        failed = _interpreters.run_string(number, '''
        import goloop
        try:
            goloop.watch()
        except RuntimeError as error:
            assert "the main interpreter's" in str(error)
        else:
            raise AssertionError
        '''.replace("\\n        ", "\\n"))
        assert failed is None, failed
        _interpreters.destroy(number)
    """)
