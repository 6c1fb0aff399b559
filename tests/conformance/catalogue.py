"""What is run: CPython's own asyncio tests, of the running interpreter, and tornado's."""

import asyncio
import importlib
import importlib.util
import unittest
from dataclasses import dataclass, field

# The classes that offer themselves to any loop. A test case that derives from one counts as "mixins".
MIXINS = {
    "EventLoopTestsMixin",
    "SubprocessTestsMixin",
    "UnixEventLoopTestsMixin",
    "SubprocessMixin",
    "BaseSockTestsMixin",
    "SockSendfileMixin",
    "SendfileMixin",
    "BaseStartServer",
    "BaseTestBufferedProtocol",
    "BaseStartTLS",
    "EagerTaskFactoryLoopTests",
    "BaseTaskCountingTests",
}

# The modules, where this Python has them. Those that are not here test one implementation of asyncio's: for
# Windows, or a bare BaseSelectorEventLoop with its selector mocked (test_selector_events, test_proactor_events);
# or they know no loop (test_tools, which formats lists of tasks).
MODULES = [
    "test_base_events",
    "test_buffered_proto",
    "test_context",
    "test_eager_task_factory",
    "test_events",
    "test_free_threading",
    "test_futures",
    "test_futures2",
    "test_graph",
    "test_locks",
    "test_pep492",
    "test_protocols",
    "test_queues",
    "test_runners",
    "test_sendfile",
    "test_server",
    "test_sock_lowlevel",
    "test_ssl",
    "test_sslproto",
    "test_staggered",
    "test_streams",
    "test_subprocess",
    "test_taskgroups",
    "test_tasks",
    "test_threads",
    "test_timeouts",
    "test_transports",
    "test_unix_events",
    "test_waitfor",
]


@dataclass
class Test:
    """One test of a suite; ``area`` is mixins, neutral or tornado."""

    id: str
    area: str
    case: unittest.TestCase = field(repr=False)


class Missing(Exception):
    """The suite is not there to be run."""


def tests_in(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_in(item)
        else:
            yield item


def cpython():
    """The tests of ``test.test_asyncio``, each on the loop that asyncio makes when none is named."""
    try:
        importlib.import_module("test.test_asyncio")
    except ImportError as error:
        raise Missing(
            f"this Python comes without its own asyncio tests ({error}): pyenv's has them, "
            "and Debian's with libpython3-testsuite"
        ) from None
    found = []
    for name in MODULES:
        full = f"test.test_asyncio.{name}"
        if importlib.util.find_spec(full) is None:
            continue
        module = importlib.import_module(full)
        for cls in unbound(module):
            area = "mixins" if any(base.__name__ in MIXINS for base in cls.__mro__) else "neutral"
            for case in tests_in(unittest.defaultTestLoader.loadTestsFromTestCase(cls)):
                found.append(Test(f"{name}.{cls.__name__}.{case._testMethodName}", area, case))
    return found


def unbound(module):
    """The test classes of a module.

    Of those that differ in the selector which they hand to asyncio's loop, one remains, with the default loop.
    """
    for cls in vars(module).values():
        if not (
            isinstance(cls, type) and issubclass(cls, unittest.TestCase) and cls.__module__ == module.__name__
        ):
            continue
        if "create_event_loop" not in vars(cls):
            yield cls
        elif cls.__name__ == "SelectEventLoopTests":
            yield type(
                "EventLoopTests", (cls,), {"__module__": cls.__module__, "create_event_loop": default_loop}
            )


def default_loop(self):
    return asyncio.SelectorEventLoop()


def tornado():
    """The tests of ``tornado.test``, which comes with tornado."""
    try:
        from tornado.test import runtests
    except ImportError as error:
        raise Missing(f"tornado's tests cannot be imported: {error}") from None
    found = []
    for case in tests_in(runtests.all()):
        found.append(Test(case.id().removeprefix("tornado.test."), "tornado", case))
    return found


SUITES = {"cpython": cpython, "tornado": tornado}
