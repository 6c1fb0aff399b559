"""Every test runs on asyncio and on goloop, and fails on anything a loop reports that it did not ask for."""

import asyncio
import contextlib
import fnmatch
import gc
import importlib
import importlib.util
import os
import signal
import socket
import ssl
import subprocess
import sys
import sysconfig
import textwrap
import threading
import traceback
import tty
import warnings

import hypothesis
import pytest

import divergences
import protocols
import short
from certificates import Authority

pytest_plugins = ["reporting"]

LIMIT = 20  # seconds that a coroutine may take; below the 30 s of pytest.ini, so that the coroutine is shown
LIMIT_OF_FAILURES = 1  # the same where divergences.py has it fail: many wait for what never comes
ONLY = os.environ.get("GOLOOP_TESTS_ONLY")  # "asyncio" or "goloop": for work on the tests, or on the loop
LOOPS = [ONLY] if ONLY else ["asyncio", "goloop"]
SHORT = bool(os.environ.get("GOLOOP_TESTS_SHORT"))  # without what short.py names
FACTORIES = {"asyncio": "SelectorEventLoop", "goloop": "new_event_loop", "uvloop": "new_event_loop"}
PEERS = [name for name in ("uvloop",) if importlib.util.find_spec(name)]  # of the tests that compare

hypothesis.settings.register_profile(
    "goloop",
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("goloop")

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
# What these import cannot be installed there: greenlet; cryptography, of aioquic.
collect_ignore = []
if FREE_THREADED and sys.version_info < (3, 14):
    collect_ignore = ["test_greenlets.py", "hosts/test_datagrams.py"]

# A shell ignores SIGINT for what runs in its background, and the programs of the tests would inherit that.
if threading.current_thread() is threading.main_thread():  # parallel.py has sessions in others
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc):
    if "loop_name" in metafunc.fixturenames:
        loops = LOOPS
        if metafunc.definition.get_closest_marker("goloop_only"):
            loops = [name for name in LOOPS if name == "goloop"]
        if metafunc.definition.get_closest_marker("compared") and not ONLY:
            loops = LOOPS + PEERS
        metafunc.parametrize("loop_name", loops)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    kept = [item for item in items if wanted(item)]
    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    unused = {**divergences.GOLOOP, **divergences.ASYNCIO}
    for item in items:
        for pattern, reason in divergences.GOLOOP.items():
            if matches(item, pattern):
                unused.pop(pattern, None)
                if loop_of(item) == "goloop":
                    item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
        for pattern, (first, last, reason) in divergences.ASYNCIO.items():
            if matches(item, pattern):
                unused.pop(pattern, None)
                if loop_of(item) == "asyncio" and first_to_last(version(first), version(last)):
                    item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
    collected = {item.path.name for item in items}
    whole_files = not any("::" in argument for argument in config.args)
    left = [pattern for pattern in short.ONCE if not any(matches(item, pattern) for item in items)]
    for file, patterns in ("divergences.py", unused), ("short.py", left):
        stale = [pattern for pattern in patterns if pattern.split("::")[0] in collected]
        if stale and whole_files:
            raise pytest.UsageError(f"{file} names no test of this run: {stale}")
    items[:] = kept


def pytest_collection_finish():
    gc.collect()
    gc.freeze()  # so that the collection after each test looks at what the test left only


def pytest_terminal_summary(terminalreporter):
    """What tests that passed or failed have measured, as they gave it to record_property."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    measured = [report for report in reports if report.when == "call" and report.user_properties]
    if measured:
        terminalreporter.section("measured")
    for report in measured:
        terminalreporter.line(report.nodeid)
        for name, value in report.user_properties:
            terminalreporter.line(f"    {name}: {value}")


def wanted(item):
    if SHORT and any(matches(item, pattern) for pattern in short.ONCE):
        return False
    if item.get_closest_marker("goloop_only") and ONLY == "asyncio":
        return False
    if item.get_closest_marker("linux_only") and sys.platform != "linux":
        return False
    if item.get_closest_marker("root_only") and os.geteuid() != 0:
        return False
    if item.get_closest_marker("free_threaded") and not FREE_THREADED:
        return False
    if item.get_closest_marker("with_gil") and FREE_THREADED:
        return False
    since, until = item.get_closest_marker("since"), item.get_closest_marker("until")
    if since and sys.version_info < version(since.args[0]):
        return False
    return not (until and sys.version_info >= version(until.args[0]))


def version(text):
    return tuple(map(int, text.split(".")))


def first_to_last(first, last):
    return first <= sys.version_info[: len(first)] and sys.version_info[: len(last)] <= last


def loop_of(item):
    return item.callspec.params.get("loop_name") if hasattr(item, "callspec") else None


def matches(item, pattern):
    name = f"{item.path.name}::{item.name}"
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")) or name.split("[")[0] == pattern


@pytest.fixture
def loop_factory(loop_name):
    """What makes a loop. An import that fails is a failed test, never a skipped one."""
    return getattr(importlib.import_module(loop_name), FACTORIES[loop_name])


class Reports(list):
    """The contexts given to call_exception_handler, as a custom exception handler."""

    expected = False

    def __call__(self, loop, context):
        self.append(context)

    def messages(self):
        return [context["message"] for context in self]


@pytest.fixture
def reports():
    return Reports()


FAILED = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.stash[FAILED] = call.excinfo is not None
        if call.excinfo is not None:
            forget_frames(call.excinfo.value)
    return report


def forget_frames(exc):
    """Let go what a failed test has left open in its frames, so that the next test does not hear of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        while exc is not None:
            traceback.clear_frames(exc.__traceback__)
            exc = exc.__cause__ or exc.__context__


@pytest.fixture
def loop(request, loop_name, loop_factory, reports):
    """A new loop, closed at the end. Anything it reports fails the test, unless the test asked for `errors`."""
    loop = loop_factory()
    assert type(loop).__module__.partition(".")[0] == loop_name
    loop.set_debug(False)  # whatever PYTHONASYNCIODEBUG says
    loop.set_exception_handler(reports)
    yield loop
    failed = request.node.stash.get(FAILED, False)
    if failed:
        protocols.abort_all(loop)
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    del loop
    with warnings.catch_warnings():
        if failed:  # the failure says enough
            warnings.simplefilter("ignore")
        gc.collect()  # what is dropped unclosed says so now, not in a later test
        if not (failed or reports.expected):
            assert reports == []
        if reports:
            reports.clear()
            gc.collect()


@pytest.fixture
def errors(reports):
    """The contexts that the loop reported: the test expects some."""
    reports.expected = True
    return reports


@pytest.fixture
def longest(request):
    """How many seconds a coroutine of this test may take."""
    return LIMIT_OF_FAILURES if request.node.get_closest_marker("xfail") else LIMIT


@pytest.fixture
def run(loop, longest):
    """Runs a coroutine to its end on the loop, within LIMIT seconds."""

    def run(coroutine, limit=LIMIT):
        return loop.run_until_complete(asyncio.wait_for(coroutine, min(limit, longest)))

    return run


@pytest.fixture
def fresh_policy():
    """A policy without a child watcher; asyncio's loop makes one, which any loop then uses."""
    if sys.version_info >= (3, 14):  # policies have none any more
        yield
        return
    asyncio.set_event_loop_policy(None)
    yield
    if asyncio.get_event_loop_policy()._watcher is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated; children that a test has left
            asyncio.set_child_watcher(None)
    asyncio.set_event_loop_policy(None)


@pytest.fixture
def pidfd_watcher(fresh_policy, loop_name, loop):
    """asyncio's loop learns of ends by pidfd, as it does by itself from 3.12: a thread takes a status at any time."""
    if loop_name == "asyncio" and sys.version_info < (3, 12):
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(loop)
        asyncio.set_child_watcher(watcher)


@pytest.fixture
def tcp_pair():
    """Makes two connected non-blocking TCP sockets a call: (ours, peer)."""
    opened = []

    def tcp_pair(family=socket.AF_INET):
        with socket.socket(family) as listener:
            listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
            listener.listen()
            ours = socket.create_connection(listener.getsockname()[:2])
            peer, _ = listener.accept()
        for sock in (ours, peer):
            sock.setblocking(False)
            opened.append(sock)
        return ours, peer

    yield tcp_pair
    for sock in opened:
        sock.close()


@pytest.fixture
def socket_pair():
    """Makes two connected non-blocking Unix sockets a call."""
    opened = []

    def socket_pair():
        pair = socket.socketpair()
        for sock in pair:
            sock.setblocking(False)
            opened.append(sock)
        return pair

    yield socket_pair
    for sock in opened:
        sock.close()


@pytest.fixture
def full_listener():
    """A listening socket whose queue is full: connecting to it stays under way until something is accepted."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener


@pytest.fixture
def unbuffered():
    """Opens a path or a descriptor a call, unbuffered; it is closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda file, mode: stack.enter_context(open(file, mode, 0))


@pytest.fixture
def pipe(unbuffered):
    """Makes a pipe a call: its reading end and its writing end."""

    def pipe():
        reader, writer = os.pipe()
        return unbuffered(reader, "rb"), unbuffered(writer, "wb")

    return pipe


@pytest.fixture
def terminal(unbuffered):
    """Makes a pseudo-terminal a call, in raw mode: (master, slave), both to read and to write."""

    def terminal():
        master, slave = os.openpty()
        tty.setraw(slave)
        return unbuffered(master, "r+b"), unbuffered(slave, "r+b")

    return terminal


@pytest.fixture
def endpoint(loop):
    """Makes a datagram endpoint a call, closed with the test: (transport, protocol)."""
    opened = []

    async def endpoint(factory=protocols.DatagramRecorder, **options):
        if not options:
            options = {"local_addr": ("127.0.0.1", 0)}
        transport, protocol = await loop.create_datagram_endpoint(factory, **options)
        opened.append(transport)
        return transport, protocol

    yield endpoint
    if loop.is_closed():
        return
    for transport in opened:
        if not transport.is_closing():
            transport.abort()
    loop.run_until_complete(protocols.turns(2))


@pytest.fixture
def peer():
    """A bound, non-blocking UDP socket that is not the loop's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def unix_peer(tmp_path):
    """A bound, non-blocking Unix datagram socket that is not the loop's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "peer"))
        sock.setblocking(False)
        yield sock


@pytest.fixture(scope="session")
def authority():
    return Authority()


@pytest.fixture(scope="session")
def server_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_context(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def pem_folder(tmp_path, authority):
    """The path of a folder with authority.pem, and server.pem for localhost: for programs that have no fixtures."""
    certificate = authority.issue_cert("localhost")
    (tmp_path / "authority.pem").write_bytes(authority.certificate.read_bytes())
    (tmp_path / "server.pem").write_bytes(certificate.key.read_bytes() + certificate.certificate.read_bytes())
    return str(tmp_path)


@pytest.fixture
def serve_tls(loop, server_context):
    """Starts a TLS server; returns it and its port."""

    async def serve_tls(factory=protocols.Echo, **options):
        server = await loop.create_server(factory, "127.0.0.1", 0, ssl=server_context, **options)
        return server, server.sockets[0].getsockname()[1]

    return serve_tls


class Script:
    """A Python program in a fresh interpreter, in which new_event_loop() and run(coroutine) are defined."""

    def __init__(self, loop_name):
        self.prelude = textwrap.dedent(f"""
            import asyncio, os, signal, socket, sys, threading, time
            from {loop_name} import {FACTORIES[loop_name]} as new_event_loop

            def run(main):
                if sys.version_info >= (3, 11):
                    with asyncio.Runner(loop_factory=new_event_loop) as runner:
                        return runner.run(main)

                class Policy(asyncio.DefaultEventLoopPolicy):
                    _loop_factory = staticmethod(new_event_loop)

                asyncio.set_event_loop_policy(Policy())
                return asyncio.run(main)
        """)
        self.started = []

    def start(self, source):
        """Start the program; its stdout and stderr are pipes of text."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-W", "error", "-c", self.prelude + textwrap.dedent(source)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def __call__(self, source):
        """Run the program to its end and return what it printed; it must exit 0 and leave stderr empty."""
        process = self.start(source)
        out, err = process.communicate(timeout=LIMIT)
        assert (process.returncode, err) == (0, "")
        return out

    def stop(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def script(loop_name):
    script = Script(loop_name)
    yield script
    script.stop()
