"""The engine's selectors as those of the standard library: CPython's own tests, and what these do not ask."""

import os
import pathlib
import selectors
import socket
import subprocess
import sys
import threading
import time
import warnings

import pytest

import forking

HERE = pathlib.Path(__file__).parent
BACKENDS = ["epoll", "poll", "select"] if sys.platform == "linux" else ["kqueue", "poll", "select"]


@pytest.fixture
def module(loop_name):
    """The module of selectors: that of the standard library for asyncio."""
    if loop_name == "asyncio":
        return selectors
    import goloop.selectors

    return goloop.selectors


@pytest.fixture(params=BACKENDS)
def selector(request, module):
    with getattr(module, f"{request.param.capitalize()}Selector")() as selector:
        yield selector


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@pytest.mark.goloop_only
@pytest.mark.parametrize("suite", ["selector", "loop"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_cpythons_own_tests(backend, suite):
    """Of the class, and of asyncio's loop over one."""
    command = [sys.executable, "selectors_of_cpython.py", backend, suite]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=25)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 15


def test_default_is_the_best(module):
    best = {"epoll": "EpollSelector", "kqueue": "KqueueSelector"}[BACKENDS[0]]
    assert module.DefaultSelector is getattr(module, best)
    assert issubclass(module.DefaultSelector, selectors.BaseSelector)


@pytest.mark.linux_only
def test_failed_modify_unregisters(module, pair):
    """Only epoll knows of a closed descriptor before the next wait."""
    number = os.dup(pair[0].fileno())
    with module.EpollSelector() as selector:
        selector.register(number, selectors.EVENT_READ)
        os.close(number)
        with pytest.raises(OSError):
            selector.modify(number, selectors.EVENT_WRITE)
        assert number not in selector.get_map()


def test_closed_selector_refuses(selector, pair):
    left, _ = pair
    selector.close()
    selector.close()
    with pytest.raises((OSError, ValueError, RuntimeError, KeyError)):
        selector.get_key(left)


def test_hang_up_is_readable_and_writable(selector, pair):
    left, right = pair
    selector.register(left, selectors.EVENT_READ | selectors.EVENT_WRITE, "data")
    right.close()
    [(key, events)] = selector.select(5)
    assert (key.fd, key.data, events) == (left.fileno(), "data", selectors.EVENT_READ | selectors.EVENT_WRITE)


def test_descriptor_that_was_closed_is_forgotten(selector):
    left, right = socket.socketpair()
    selector.register(left, selectors.EVENT_READ)
    left.close()
    selector.unregister(left)
    assert not selector.get_map()
    right.close()


@pytest.mark.goloop_only
@pytest.mark.parametrize("backend", BACKENDS)
def test_another_thread_changes_it_in_a_wait(backend, pair):
    """poll(2) and select(2) of the standard library do not see what is registered during a wait."""
    import goloop.selectors

    left, right = pair
    with getattr(goloop.selectors, f"{backend.capitalize()}Selector")() as selector:
        found = []
        thread = threading.Thread(target=lambda: found.extend(selector.select(20)))
        thread.start()
        selector.register(left, selectors.EVENT_READ)
        right.send(b"x")
        thread.join(10)
        assert [key.fileobj for key, _ in found] == [left]


def test_wait_is_not_shorter_than_asked(selector):
    start = time.monotonic()
    assert selector.select(0.05) == []
    assert time.monotonic() - start >= 0.05


@pytest.mark.goloop_only
def test_forked_child_makes_its_own(pair):
    """The parent's is dead there, and says so."""
    import goloop.selectors

    left, right = pair
    parents = goloop.selectors.DefaultSelector()

    def child():
        with goloop.selectors.DefaultSelector() as own:
            own.register(left, selectors.EVENT_READ)
            right.send(b"x")
            assert len(own.select(5)) == 1
        with pytest.raises(RuntimeError, match="after fork"):
            parents.select(0)
        parents.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a process with threads
        pid = forking.fork(child)
    forking.wait(pid)
    parents.register(left, selectors.EVENT_READ)
    assert len(parents.select(5)) == 1
    parents.close()
    assert os.read(left.fileno(), 1) == b"x"
