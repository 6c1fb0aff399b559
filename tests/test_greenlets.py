"""Loops inside greenlets: the C stack is switched away in the middle of a callback, as gevent does."""

import asyncio
import socket

import greenlet
import pytest


def test_two_loops_interleave_in_greenlets_of_one_thread(loop_factory):
    first, second = loop_factory(), loop_factory()
    steps = []

    def step(name, other):
        steps.append(name)
        running = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        if not other().dead:
            other().switch()
        asyncio._set_running_loop(running)
        steps.append(name + " again")

    def serve(loop, name, other):
        for number in range(3):
            loop.call_later(0.001 * number, step, f"{name}{number}", other)
        loop.call_later(0.01, loop.stop)
        loop.run_forever()
        loop.close()

    one = greenlet.greenlet(lambda: serve(first, "a", lambda: two))
    two = greenlet.greenlet(lambda: serve(second, "b", lambda: one))
    while not (one.dead and two.dead):
        for each in (one, two):
            if not each.dead:
                each.switch()
    expected = [f"{name}{number}{again}" for name in "ab" for number in range(3) for again in ("", " again")]
    assert sorted(steps) == sorted(expected)
    assert steps[:2] == ["a0", "b0"]


def test_callback_that_is_switched_away_finishes_when_it_is_switched_back(loop):
    steps = []
    hub = greenlet.getcurrent()

    def callback():
        steps.append("before")
        hub.switch()
        steps.append("after")
        loop.stop()

    loop.call_soon(callback)
    worker = greenlet.greenlet(loop.run_forever)
    worker.switch()
    steps.append("hub")
    worker.switch()
    assert worker.dead
    assert steps == ["before", "hub", "after"]


def test_loop_that_sleeps_in_a_greenlet_still_reads(loop):
    ours, peer = socket.socketpair()
    seen = []

    def read():
        seen.append(ours.recv(10))
        loop.stop()

    with ours, peer:
        ours.setblocking(False)
        loop.add_reader(ours, read)
        loop.call_later(0.01, peer.send, b"hello")
        greenlet.greenlet(loop.run_forever).switch()
        loop.remove_reader(ours)
    assert seen == [b"hello"]


def test_exception_thrown_into_a_switched_away_callback_is_reported(loop, errors):
    hub = greenlet.getcurrent()
    loop.call_soon(hub.switch)
    worker = greenlet.greenlet(loop.run_forever)
    worker.switch()
    loop.call_soon(loop.stop)
    worker.throw(LookupError("thrown"))
    assert worker.dead
    assert str(errors[0]["exception"]) == "thrown"
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
