"""goloop in the place of asyncio's own loop, from outside the package, and the proof that it is there."""

import asyncio
import importlib
import threading
import unittest

import goloop

subject = goloop.Loop  # the class that takes asyncio's place


def choose(spec):
    """Let another loop be the subject: ``module:Class``."""
    global subject
    module, _, name = spec.partition(":")
    subject = getattr(importlib.import_module(module), name)


def install():
    """Make the subject what asyncio makes when a program names no loop, or names SelectorEventLoop.

    The policy's ``_loop_factory`` serves ``asyncio.new_event_loop()``, ``asyncio.run()``, ``Runner`` and
    IsolatedAsyncioTestCase, and goes on doing so after ``set_event_loop_policy(None)``, which every module of
    the suite calls at its end.
    """
    for policy in default_policies():
        policy._loop_factory = subject
    for module in (asyncio, asyncio.unix_events):
        for name in ("SelectorEventLoop", "EventLoop"):
            if hasattr(module, name):
                setattr(module, name, subject)


def default_policies():
    names = ("_UnixDefaultEventLoopPolicy", "_DefaultEventLoopPolicy")
    return {policy for name in names if (policy := getattr(asyncio.unix_events, name, None))}


class Check(unittest.TestCase):
    """Each way by which the suite comes to a loop. It must fail where nothing has been replaced."""

    def check(self, loop):
        self.addCleanup(loop.close)
        self.assertIsInstance(loop, subject)
        self.assertEqual(loop.run_until_complete(asyncio.sleep(0, "ran")), "ran")

    def test_new_event_loop(self):
        self.check(asyncio.new_event_loop())

    def test_selector_event_loop(self):
        self.check(asyncio.SelectorEventLoop())

    def test_new_event_loop_in_a_thread(self):
        made = []
        thread = threading.Thread(target=lambda: made.append(asyncio.new_event_loop()))
        thread.start()
        thread.join()
        self.check(made[0])

    def test_new_event_loop_after_the_policy_is_reset(self):
        asyncio.set_event_loop_policy(None)
        self.check(asyncio.new_event_loop())

    def test_run(self):
        async def main():
            return asyncio.get_running_loop()

        self.assertIsInstance(asyncio.run(main()), subject)


class CheckIsolated(unittest.IsolatedAsyncioTestCase):
    """The same for the loop that unittest makes for a test of coroutines."""

    async def test_running_loop(self):
        self.assertIsInstance(asyncio.get_running_loop(), subject)
