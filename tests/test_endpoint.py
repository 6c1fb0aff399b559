"""The endpoint: it answers while the loop is stuck, closes, and after fork, and changes nothing."""

import http.client
import json
import os
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time

import pytest

pytestmark = pytest.mark.goloop_only

PROGRAM = """
    import asyncio, ctypes, os, sys, threading, time
    import goloop
    from goloop import control

    async def echo(reader, writer):
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    def sleep_with_the_gil(seconds):
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))

    def has_no_child():
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True

    async def lines():
        '''What the test wants done, a line of Python each.'''
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            print("begins", flush=True)
            exec(line)
            print("done", flush=True)

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        print(control.serve(PATH, stuck=0.3), *server.sockets[0].getsockname(), flush=True)
        await lines()

    goloop.run(main())
"""


class Program:
    """A process with a loop, a server and an endpoint, which does what it is told."""

    def __init__(self, folder):
        self.path = str(folder / "endpoint")
        source = folder / "program.py"
        source.write_text(textwrap.dedent(PROGRAM).replace("PATH", repr(self.path)))
        self.child = subprocess.Popen(
            [sys.executable, "-W", "ignore", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        where, host, port = self.child.stdout.readline().split()
        assert where == self.path
        self.server = host, int(port)

    def do(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        assert self.child.stdout.readline() == "begins\n"

    def done(self):
        assert self.child.stdout.readline() == "done\n"

    def get(self, page, method="GET"):
        """(status, body, seconds)"""
        start = time.monotonic()
        connection = http.client.HTTPConnection("endpoint", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path)
        connection.request(method, page)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body, time.monotonic() - start

    def json(self, page):
        status, body, _ = self.get(page)
        assert status == 200, body
        return json.loads(body)

    def until(self, condition):
        limit = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < limit
            time.sleep(0.01)  # nothing tells of it: the next look

    def stop(self):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.kill()
        self.child.wait()


@pytest.fixture
def program(tmp_path):
    program = Program(tmp_path)
    yield program
    program.stop()


def test_pages(program):
    assert stat.S_IMODE(os.stat(program.path).st_mode) == 0o600
    program.until(lambda: program.json("/loops")[0]["phase"] == "waiting")
    [loop] = program.json("/loops")
    assert loop["servers"] == 1
    with socket.create_connection(program.server) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        [of] = program.json("/transports")
        peers = {each["peer"] for each in of["transports"] if each["kind"] == "stream"}
        assert peers == {"{}:{}".format(*client.getsockname())}
        [of] = program.json("/tasks")
        assert any(task["name"].endswith("echo") for task in of["tasks"])
    [of] = program.json("/stack")
    assert of["fresh"]
    assert of["stack"][0].endswith("run_forever")
    assert program.get("/healthz")[:2] == (200, "ok\n")
    assert program.json("/info")["pid"] == program.child.pid
    assert program.get("/")[0] == 200
    assert program.get("/no")[0] == 404
    assert program.get("/loops", "POST")[0] == 405
    status, body, _ = program.get("/metrics")
    assert status == 200
    assert f'goloop_transports{{loop="{loop["loop"]}",kind="server"}} 1' in body


@pytest.mark.parametrize("how", ["time.sleep(2)", "sleep_with_the_gil(2)"])
def test_stuck_loop(program, how):
    """The answers come while the loop is stuck, with the GIL or without."""
    program.json("/tasks")
    program.do(how)
    program.until(lambda: program.get("/healthz")[0] == 503)
    assert "does not go on for" in program.get("/healthz")[1]
    assert program.get("/healthz?stuck=100")[0] == 200
    keeps = how.startswith("sleep_with")

    def told(page, what):
        """The answer that came in time, on a machine that may be busy."""
        found = []

        def is_told():
            found[:] = program.json(page)
            return found[0][what] and found[0]["fresh"] is not keeps

        program.until(is_told)
        return found[0]

    of = told("/stack", "stack")
    inner = [frame.split(" ")[-1] for frame in of["stack"][:3]]
    assert inner == (
        ["sleep_with_the_gil", "<module>", "lines"] if keeps else ["<module>", "lines", inner[2]]
    )
    told("/tasks", "tasks")
    assert program.json("/loops")[0]["phase"] == "python"
    assert program.json("/transports")[0]["transports"]
    program.done()
    program.until(lambda: program.get("/healthz")[0] == 200)


LOOPS = 8  # asked one after the other, they would take 160 ms and 240 ms at the least
LIMIT = 0.12  # seconds, of the fastest of some answers: one deadline, and the stacks of all threads

WAITING = f"""
started = threading.Barrier({LOOPS})
async def wait():
    started.wait()
    threading.Event().wait()
for _ in range({LOOPS} - 1):
    threading.Thread(target=lambda: goloop.run(wait()), daemon=True).start()
started.wait()
"""


def test_many_stuck_loops_are_asked_at_once(program):
    """One keeps the GIL, without which none can be asked about."""
    program.do(f"exec({WAITING!r}, globals()); sleep_with_the_gil(2)")
    program.until(lambda: program.get("/healthz")[1].count("does not go on") == LOOPS)
    for page in "/stack", "/tasks":
        answers = [program.get(page) for _ in range(5)]
        loops = json.loads(answers[-1][1])
        assert len(loops) == LOOPS
        assert not any(of["fresh"] for of in loops)
        if page == "/stack":
            assert {of["stack"][0].split(" ")[-1] for of in loops} == {"sleep_with_the_gil", "wait"}
        assert min(seconds for _, _, seconds in answers) < LIMIT
    program.done()


SPINNING = """
ends = time.monotonic() + 3
async def spin():
    while time.monotonic() < ends:
        pass
threads = [threading.Thread(target=lambda: goloop.run(spin())) for _ in range(3)]
for thread in threads:
    thread.start()
while time.monotonic() < ends:
    pass
for thread in threads:
    thread.join()
"""


def test_stuck_loops_that_take_turns_with_the_gil(program):
    """Each gives it back after 5 ms, to another: all questions are answered with one hold of it, or none in time."""
    program.do(f"exec({SPINNING!r}, globals())")
    program.until(lambda: program.get("/healthz")[1].count("does not go on") == 4)
    for page in "/stack", "/tasks":
        answers = [program.get(page) for _ in range(8)]
        for _, body, _ in answers:
            loops = json.loads(body)
            assert len(loops) == 4
            assert len({of["fresh"] for of in loops}) == 1
            if page == "/stack":
                assert sum("spin" in of["stack"][0] for of in loops) == 3
        assert min(seconds for _, _, seconds in answers) < LIMIT
    program.done()


def test_stacks_are_written_once_for_all_who_ask(program):
    """Sixteen clients at once wait as long as one, not for sixteen copies of the process."""
    program.do("sleep_with_the_gil(3)")
    program.until(lambda: program.get("/healthz")[0] == 503)

    def ask():
        began = time.monotonic()
        threads = [threading.Thread(target=program.get, args=("/stack",)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - began

    program.until(lambda: ask() < LIMIT)
    assert program.get("/healthz")[0] == 503  # still
    program.done()


def test_bad_question_about_health(program):
    for value in ("x", "0", "-1", "nan", "1e99"):
        assert program.get(f"/healthz?stuck={value}")[0] == 400


def test_hundred_clients_while_it_is_stuck(program):
    program.do("sleep_with_the_gil(1)")
    statuses = []

    def ask():
        for _ in range(5):
            statuses.append(program.get("/metrics")[0])

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == 500
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) > 100
    program.done()


def test_stack_that_is_had_without_the_gil_leaves_no_child(program):
    """It is had in a copy of the process, of which the program's own waitpid() does not hear."""
    program.do("sleep_with_the_gil(1)")
    program.until(lambda: "sleep_with_the_gil" in json.dumps(program.json("/stack")))
    program.done()
    program.do("print(has_no_child(), flush=True)")
    assert program.child.stdout.readline() == "True\n"
    program.done()


def test_scraped_while_loops_come_and_go(program):
    over = threading.Event()
    failures = []

    def scrape():
        try:
            while not over.is_set():
                for page in ("/metrics", "/loops", "/transports", "/stack", "/tasks"):
                    assert program.get(page)[0] == 200
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=scrape)
    thread.start()
    work = (
        "[asyncio.new_event_loop() for _ in range(3)], [goloop.new_event_loop().close() for _ in range(300)]"
    )
    program.do(work)
    program.done()
    over.set()
    thread.join()
    assert not failures


def test_forked_child_leaves_the_parents_alone(program):
    """The child's own answers elsewhere, and the parent's path stays the parent's."""
    other = program.path + "2"
    child = (
        f"child = os.fork() or (goloop.new_event_loop(), control.serve({other!r}), control.unserve(), os._exit(0)); "
        "assert os.waitpid(child, 0)[1] == 0"
    )
    program.do(child)
    program.done()
    assert not os.path.exists(other)
    assert program.json("/info")["pid"] == program.child.pid


def test_path_goes_with_the_process(program):
    program.child.stdin.close()
    assert program.child.wait(10) == 0
    assert not os.path.exists(program.path)


@pytest.mark.parametrize("path", ["taken", "file"])
def test_path_that_is_taken(program, tmp_path, path):
    from goloop import control

    address = program.path if path == "taken" else str(tmp_path / "file")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="[Aa]ddress already in use") as info:
        control.serve(address)
    assert info.value.filename == address
    assert (tmp_path / "file").read_text() == "x"
    assert program.get("/healthz")[0] == 200


def test_addresses(tmp_path):
    from goloop import control

    try:
        where = control.serve(":0")
        assert where.startswith("127.0.0.1:")
        path = control.serve(tmp_path / "{pid}")
        assert control.serve(tmp_path / "{pid}") == path  # again, and in its own place
        assert path == str(tmp_path / str(os.getpid()))
        with pytest.raises(OSError), socket.create_connection(where.split(":")):
            pass
    finally:
        control.unserve()
    assert not list(tmp_path.iterdir())
    control.unserve()


def test_environment(tmp_path):
    source = "import asyncio, goloop, os\nfrom goloop import control\ngoloop.run(asyncio.sleep(0))\nprint(os.path.exists(os.environ['GOLOOP_CONTROL']))"
    env = {**os.environ, "GOLOOP_CONTROL": str(tmp_path / "s")}
    done = subprocess.run([sys.executable, "-c", source], env=env, capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert not list(tmp_path.iterdir())
