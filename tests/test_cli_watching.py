"""``python -m goloop stacks`` and ``top`` of a process that is stuck, slow to answer, or gone."""

import contextlib
import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

pytestmark = [pytest.mark.goloop_only, pytest.mark.linux_only]

GOLOOP = [sys.executable, "-W", "error", "-m", "goloop"]

# Is held by a callback until its standard input ends.
STUCK = """
    import asyncio, os, sys, goloop, goloop.control

    {begin}

    def hold():
        print("held", flush=True)
        os.read(0, 1)

    async def main():
        sleeper = asyncio.create_task(asyncio.sleep(60), name="sleeper")
        await asyncio.sleep(0.05)
        hold()

    goloop.run(main())
    {end}
"""


@pytest.fixture
def stuck(tmp_path, monkeypatch):
    """Starts a program that is stuck, with what it does first, or words for ``goloop run``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tmp").mkdir()
    processes = []

    def start(begin="", words=(), end="", **environment):
        (tmp_path / "stuck.py").write_text(textwrap.dedent(STUCK.format(begin=begin, end=end)))
        process = subprocess.Popen(
            [*(GOLOOP if words else [sys.executable]), *words, "stuck.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), **environment},
        )
        processes.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in processes:
        process.communicate(timeout=10)


def goloop(*words, **environment):
    return subprocess.run(
        [*GOLOOP, *words],
        capture_output=True,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


def says(*words, **environment):
    ran = goloop(*words, **environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def refuses(*words):
    ran = goloop(*words)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("goloop: ") and ran.stderr.count("\n") == 1
    return ran.stderr


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)  # nothing tells of it: the next look
    return found


def test_stacks(stuck):
    process = stuck("goloop.watch(0.1); goloop.control.serve('x.sock')")
    text = wait_until(lambda: {"STUCK", "lasts:"} <= {*(text := says("stacks", "x.sock")).split()} and text)
    assert text.startswith(f"process {process.pid}, goloop ")
    assert re.search(r"^loop \d+, \w+, thread \d+: STUCK for \d", text, re.MULTILINE)
    assert re.search(r"^  stack.*\n    \S*/stuck\.py:8 hold\n    \S*/stuck\.py:13 main\n", text, re.MULTILINE)
    assert "  2 tasks\n" in text and re.search(r"^    sleeper sleep\n      \S+ sleep$", text, re.MULTILINE)
    assert re.search(
        r"^  \d\d:\d\d:\d\d loop \d+ \d\.\d\d s, lasts: \S*/stuck\.py:8 hold ", text, re.MULTILINE
    )


def test_stacks_as_json(stuck):
    stuck("goloop.control.serve('x.sock')")
    found = json.loads(says("stacks", "--json", "x.sock"))
    assert list(found) == ["info", "loops", "stack", "tasks", "stalls"]
    assert found["stack"][0]["stack"][0].endswith("stuck.py:8 hold")
    assert "no stalls are told" in says("stacks", "x.sock")


@pytest.mark.parametrize(
    ("begin", "words", "environment"),
    [
        ("", (), {"GOLOOP_CONTROL": "asked-{pid}.sock"}),
        ("", (), {"GOLOOP_CONTROL": "asked.sock"}),
        ("", (), {"GOLOOP_CONTROL": "127.0.0.1:{port}"}),
        ("goloop.control.serve()", (), {}),
        ("goloop.control.serve('tmp/other name')", (), {}),
        ("", ("run", "--control", "given.sock"), {}),
    ],
    ids=["environment-pid", "environment", "port", "default", "listening", "run"],
)
def test_endpoint_of_a_pid(stuck, begin, words, environment):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {name: value.replace("{port}", str(port)) for name, value in environment.items()}
    process = stuck(begin, words, **environment)
    text = says("stacks", str(process.pid), GOLOOP_CONTROL="")
    assert text.startswith(f"process {process.pid}, goloop ")
    assert "stuck.py:8 hold" in text


def test_pid_without_endpoint(stuck):
    process = stuck()
    assert f"process {process.pid} has no endpoint" in refuses("stacks", str(process.pid))


def test_no_such_process(stuck):
    process = stuck()
    process.communicate()
    assert f"there is no process {process.pid}" in refuses("stacks", str(process.pid))
    assert "there is no process" in refuses("top", "--once", "9" * 30)


@pytest.mark.parametrize("command", [["stacks"], ["top", "--once"]])
def test_nobody_answers(tmp_path, command):
    missing = str(tmp_path / "missing")
    assert f"nobody answers at {missing}: No such file" in refuses(*command, missing)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "Connection refused" in refuses(*command, f"127.0.0.1:{port}")
    assert "is no goloop" in refuses(*command, "host:port")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"SSH-2.0-x\r\n", "is no goloop"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<htm>", "is no goloop"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "is no goloop: status 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "is no goloop"),
        (b"", "is no goloop"),
        (None, "does not answer within 2 s"),
    ],
)
def test_others_answer(tmp_path, answer, said):
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as taken:
        listener.bind(str(tmp_path / "other"))
        listener.listen()

        def serve():
            with contextlib.suppress(OSError):
                connection = taken.enter_context(listener.accept()[0])
                if answer is not None:
                    connection.recv(1000)
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        assert said in refuses("stacks", str(tmp_path / "other"))
        thread.join()


@pytest.mark.since("3.13")
def test_sub_interpreters(stuck):
    """They have a GIL and memory of their own, which no frame may leave."""
    begin = """
    import _interpreters, threading
    code = "import asyncio, os, goloop; goloop.run(asyncio.sleep(0.1)); os.read({}, 1)"
    wait, end = os.pipe()
    thread = threading.Thread(target=_interpreters.run_string, args=(_interpreters.create(), code.format(wait)))
    thread.start()
    goloop.control.serve("x.sock")
    """
    process = stuck(begin.strip(), end="os.close(end); thread.join()")
    for _ in range(3):
        assert re.search(r"^    \S*stuck\.py:\d+ hold", says("stacks", "x.sock"), re.MULTILINE)
    process.communicate()
    assert process.returncode == 0


def test_top_once(stuck):
    process = stuck("goloop.watch(0.1); goloop.control.serve('x.sock')")
    wait_until(lambda: "lasts" in says("stacks", "x.sock"))
    text = says("top", "--once", "--interval", "0.2", "x.sock", COLUMNS="140")
    assert f"process {process.pid} (x.sock), watchdog 0.1 s" in text
    assert re.search(
        r"^ *\d+ +\d+ +HELD \d+\.\d s stuck\.py:8 hold +0 +(9\d|100)% +0% +\d%", text, re.MULTILINE
    )
    assert "lag of timers" in text
    assert re.search(r"loop \d+ \d\.\d\d s, lasts: \S*stuck\.py:8 hold", text)
    assert max(map(len, text.splitlines())) <= 140
    narrow = says("top", "--once", "--interval", "0.2", "x.sock", COLUMNS="80")
    assert "HELD" in narrow and max(map(len, narrow.splitlines())) <= 80


def test_top_without_rich(stuck, tmp_path):
    stuck("goloop.control.serve('x.sock')")
    (tmp_path / "rich.py").write_text("raise ImportError")
    assert "pip install 'goloop[cli]'" in refuses("top", "--once", "x.sock")


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, *words):
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "45"}
        self.process = subprocess.Popen(
            [*GOLOOP, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        self.fd = ours

    def type(self, text):
        os.write(self.fd, text.encode())

    def read_until(self, pattern, seconds=10):
        """What is shown from now on, until it has the pattern."""
        text, end = "", time.monotonic() + seconds
        while not re.search(pattern, text):
            ready, _, _ = select.select([self.fd], [], [], end - time.monotonic())
            assert ready, text
            text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(self.fd, 1 << 16).decode(errors="replace"))
        return text

    def end(self):
        """The exit status."""
        with contextlib.suppress(OSError):  # the other end is closed
            while os.read(self.fd, 1 << 16):
                pass
        os.close(self.fd)
        return self.process.wait(10)


def test_top_live(stuck):
    process = stuck("goloop.control.serve('x.sock')")
    terminal = Terminal("top", "--interval", "0.1", str(process.pid))
    terminal.read_until(r"HELD \d+\.\d s stuck\.py:8 hold")
    terminal.type("n")  # sorts
    terminal.read_until(r"HELD \d+\.\d s stuck\.py:8 hold")
    process.communicate()  # it ends, and so does its endpoint
    terminal.read_until(r"nobody answers at .*; this is \d+ s old")
    terminal.type("q")
    assert terminal.end() == 0


def test_top_is_interrupted(stuck):
    stuck("goloop.control.serve('x.sock')")
    terminal = Terminal("top", "--interval", "0.1", "x.sock")
    terminal.read_until("HELD")
    terminal.process.send_signal(2)
    assert terminal.end() == 0
