"""The examples of docs/hosts.md, run as a user runs them: what answers is on the loop that they name."""

import contextlib
import http.client
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from documented import PORTS, examples, table
from services import free_port, postgres_cluster, redis_server

# Of which sections the examples are run: "all" as `make test-hosts` has it, with the packages of all; "short" those whose hosts
# are in requirements.txt and begin fast; without it, on every Python, what needs no host.
EXTENT = os.environ.get("GOLOOP_HOSTS", "")
ALL = EXTENT == "all"
HOSTLESS = {"asyncio", "Programs as they are"}
SHORT = {"gunicorn", "hypercorn", "aiohttp", "Tornado"}
SECTIONS = {"": HOSTLESS, "short": SHORT, "all": {example.section for example in examples()}}[EXTENT]
EXAMPLES = [example for example in examples() if example.section in SECTIONS]
PATIENCE = {"": 20, "short": 10, "all": 40}[EXTENT]  # seconds for whatever is waited for
LIMIT = 160 if ALL else 40  # seconds for a test: of what is waited for, hardly two take long
MODULES = {"goloop": {"goloop.loop"}, "asyncio": {"asyncio.unix_events", "uvloop"}}  # of the loops
# Sanic's manager hangs of a SIGTERM before it has heard its workers, after which it looks every 0.1 s; nothing tells when it has.
SETTLING = {"Sanic": 1}  # seconds
# Its worker ends by an asyncio.Event that a signal handler sets: on asyncio nothing wakes the loop then.
ENDS_LATE = {("taskiq", "asyncio")}
OURS = ("GOLOOP_", "PYTHONASYNCIODEBUG", "PYTHONWARNINGS")  # what the tests' own environment may have
NO_UVLOOP = "# where uvloop is not installed"

pytestmark = [pytest.mark.goloop_only] if EXTENT == "short" else []


def pytest_generate_tests(metafunc):
    if "example" not in metafunc.fixturenames:
        return
    marks = [pytest.mark.since(example.since) for example in EXAMPLES]
    parameters = [pytest.param(each, marks=mark, id=each.name) for each, mark in zip(EXAMPLES, marks)]
    metafunc.parametrize("example", parameters)


@pytest.fixture(scope="module")
def redis():
    with redis_server() as (port, _):
        yield port


@pytest.fixture(scope="module")
def postgres():
    with postgres_cluster() as ways:
        yield ways["tcp"]["port"]


class Place:
    """A folder with the files of an example, and its shells."""

    def __init__(self, folder, example, port):
        self.folder, self.example, self.port, self.started = folder, example, port, []
        for name, text in example.files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        home = folder / "home"
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("GOLOOP_", "PYTHON"))
            },
            "HOME": str(home),
            "IPYTHONDIR": str(home / "ipython"),
            "JUPYTER_DATA_DIR": str(home / "jupyter"),
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
        }
        if NO_UVLOOP in example.commands[0]:
            (home / "without").mkdir(parents=True)
            (home / "without" / "sitecustomize.py").write_text("import sys\nsys.modules['uvloop'] = None\n")
            self.environment["PYTHONPATH"] = str(home / "without")

    def start(self, commands):
        """A shell that becomes the last of the commands."""
        lines = commands.strip().split("\n")
        output = self.folder / f"output-{len(self.started)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["sh", "-ec", "\n".join([*lines[:-1], f"exec env {lines[-1]}"])],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        process.output = output
        self.started.append(process)
        return process

    def end(self):
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def place(example, loop_name, request, tmp_path):
    example = example.on(loop_name)
    replaced = [(port, str(free_port())) for port in PORTS[:2]]
    for port, service in zip(PORTS[2:], ("redis", "postgres")):
        if port in example.text:
            replaced.append((port, str(request.getfixturevalue(service))))
    place = Place(tmp_path, example.changed(replaced), int(replaced[0][1]))
    yield place
    place.end()


def until(condition, process, reason):
    """Wait for what nothing tells of while the process runs; gives what the condition gave."""
    deadline = time.monotonic() + PATIENCE
    while not (met := condition()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{reason}, status {process.poll()}: {process.output.read_text()}")
        time.sleep(0.05)  # nothing tells of it: the next look
    return met


def ask(port):
    """What a server says: [module of the loop, pid]; None when it is not there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        return text.split()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def crowd(port):
    """The answers to some connections at once, which no worker alone gets."""
    with ThreadPoolExecutor(16) as pool:
        return [answer for answer in pool.map(ask, [port] * 48) if answer]


def check_server(place, modules):
    process = place.start(place.example.commands[0])
    module, pid = until(lambda: ask(place.port), process, "no answer")
    assert module in modules
    answers = {}

    def enough():
        answers.update({pid: module for module, pid in crowd(place.port)})
        return len(answers) >= place.example.workers

    until(enough, process, f"not {place.example.workers} workers")
    assert set(answers.values()) == {module}
    if "--reload" in place.example.text:
        application = place.folder / "app.py"
        application.write_text(application.read_text() + "\n# another\n")
        until(lambda: (ask(place.port) or [module, pid])[1] != pid, process, "not loaded anew")
    time.sleep(SETTLING.get(place.example.section, 0))  # nothing tells of it, see there
    check_end(process, "fork_processes" in place.example.text)


def check_end(process, alone=False):
    """SIGTERM ends it, by itself or with a status that says so, and what it started; who leaves that alone gets none of it."""
    family = psutil.Process(process.pid).children(recursive=True)
    if alone:
        os.killpg(process.pid, signal.SIGTERM)
    else:
        process.terminate()
    status = process.wait(PATIENCE)
    output = process.output.read_text()
    assert status in (0, -signal.SIGTERM, 128 + signal.SIGTERM), output
    assert "Traceback" not in output, output
    _, alive = psutil.wait_procs(family, PATIENCE)
    assert not alive, output


def check_program(process, modules):
    status = process.wait(PATIENCE)
    output = process.output.read_text()
    assert status == 0, output
    found = set(re.findall(r"\b(?:goloop\.loop|asyncio\.\w+|uvloop)\b", output))
    assert found and found <= modules or "1 passed" in output, output


@pytest.mark.timeout(LIMIT)
def test_example(place, loop_name):
    if len(place.example.commands) > 1:
        *servers, asking = map(place.start, place.example.commands)
        check_program(asking, MODULES[loop_name])
        if (place.example.section, loop_name) not in ENDS_LATE:
            for server in reversed(servers):
                check_end(server)
    elif str(place.port) in place.example.text:
        check_server(place, MODULES[loop_name])
    else:
        check_program(place.start(place.example.commands[0]), MODULES[loop_name])


def test_table_types_what_examples_do():
    """Each section has its row, and what that names is in an example."""
    shown = {}
    for example in examples():
        texts = [*example.files, *example.files.values(), *example.commands]
        shown[example.section] = "\n".join([shown.get(example.section, ""), *texts])
    assert [section for section, _ in table()] == list(shown)
    missing = [
        (section, words) for section, typed in table() for words in typed if words not in shown[section]
    ]
    assert missing == []
