"""getaddrinfo and getnameinfo: each answer and each error is that of the socket module."""

import asyncio
import ctypes
import gc
import itertools
import logging
import random
import socket
import threading
import types
import weakref

import pytest

from lookups import (
    NAME_FLAGS,
    NUMERIC_BOTH,
    SOCKADDRS,
    answered_here,
    combinations,
    differences_of_answers,
    outcome,
    outcome_of,
)


def test_getaddrinfo_is_that_of_socket(loop, run):
    async def main():
        compared, differences = 0, []
        for host, port, family, kind, proto, flags in combinations():
            if not answered_here(host, family, flags):
                flags = socket.AI_NUMERICHOST
            expected = outcome(socket.getaddrinfo, host, port, family, kind, proto, flags)
            got = await outcome_of(
                loop.getaddrinfo(host, port, family=family, type=kind, proto=proto, flags=flags)
            )
            compared += 1
            if got != expected:
                differences.append(((host, port, family, kind, proto, flags), got, expected))
        return compared, differences

    compared, differences = run(main())
    assert differences == []
    assert compared > 10_000


class Shouting(str):
    """Equal to everything, as a subclass may be."""

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


def test_answer_to_a_repeated_question_is_the_callers_own(loop, run):
    questions = list(
        itertools.product(
            ("127.0.0.1", "127.0.0.2", Shouting("10.0.0.1"), "::1"),
            (80, 81, 80, "80", True, 1),
            (0, socket.AF_INET),
            (0, socket.SOCK_STREAM),
            (0, socket.IPPROTO_TCP),
            (socket.AI_NUMERICHOST, socket.AI_NUMERICHOST | socket.AI_CANONNAME),
        )
    )

    async def main():
        return await differences_of_answers(loop, questions)

    assert run(main()) == []


def test_text_of_an_address_is_inet_ntops(loop, run):
    words = ("0", "0", "0", "1", "ffff", "a0b", "c000")
    chance = random.Random(1)

    async def main():
        for _ in range(1000):
            spelled = ":".join(chance.choices(words, k=8))
            ((*_, address),) = await loop.getaddrinfo(spelled, 80, type=socket.SOCK_STREAM)
            expected = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, spelled))
            assert address == (expected, 80, 0, 0), spelled

    run(main())


def test_getnameinfo_is_that_of_socket(loop, run):
    async def main():
        differences = []
        for sockaddr, flags in itertools.product(SOCKADDRS, NAME_FLAGS):
            expected = outcome(socket.getnameinfo, sockaddr, flags)
            got = await outcome_of(loop.getnameinfo(sockaddr, flags))
            if got != expected:
                differences.append(((sockaddr, flags), got, expected))
        return differences

    assert run(main()) == []


@pytest.mark.parametrize("flags", [0, socket.NI_NUMERICSERV, socket.NI_NAMEREQD])
def test_getnameinfo_of_a_name_from_the_hosts_file(loop, run, flags):
    sockaddr = ("127.0.0.1", 80)
    assert run(loop.getnameinfo(sockaddr, flags)) == socket.getnameinfo(sockaddr, flags)


def test_many_lookups_at_once(loop, run):
    async def main():
        return await asyncio.gather(
            *(loop.getaddrinfo("localhost", port, family=socket.AF_INET) for port in range(500))
        )

    answers = run(main())
    assert [answer[0][4] for answer in answers] == [("127.0.0.1", port) for port in range(500)]


def test_lookup_ends_while_callbacks_keep_the_loop_busy(loop, run):
    async def main():
        task = loop.create_task(loop.getaddrinfo("localhost", 80, family=socket.AF_INET))
        while not task.done():
            await asyncio.sleep(0)
        assert (await task)[0][4] == ("127.0.0.1", 80)

    run(main())


@pytest.mark.parametrize("where", ["module", "asyncio"])
def test_replaced_functions_are_called_off_the_loop(loop, run, monkeypatch, where):
    threads = []

    def replaced(*args):
        threads.append(threading.current_thread())
        return args

    if where == "module":
        monkeypatch.setattr(socket, "getaddrinfo", replaced)
        monkeypatch.setattr(socket, "getnameinfo", replaced)
    else:
        stand_in = types.SimpleNamespace(getaddrinfo=replaced, getnameinfo=replaced)
        monkeypatch.setattr(asyncio.base_events, "socket", stand_in)
    assert run(loop.getaddrinfo("127.0.0.1", 80, type=1, flags=4)) == ("127.0.0.1", 80, 0, 1, 0, 4)
    assert run(loop.getnameinfo(("127.0.0.1", 80), 3)) == (("127.0.0.1", 80), 3)
    assert threading.main_thread() not in threads


def test_debug_mode_logs_lookups(loop, run, caplog):
    caplog.set_level(logging.DEBUG, "asyncio")
    loop.set_debug(True)
    run(loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))
    messages = [record.getMessage() for record in caplog.records if "address info" in record.getMessage()]
    assert messages[0].startswith("Get address info 127.0.0.1:80, type=")
    assert messages[1].startswith("Getting address info 127.0.0.1:80, type=")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_closed_loop_looks_nothing_up(loop, host):
    loop.close()
    for coroutine in (loop.getaddrinfo(host, 80), loop.getnameinfo((host, 80), NUMERIC_BOTH)):
        with pytest.raises(RuntimeError, match="^Event loop is closed$"):
            coroutine.send(None)


def test_no_lookup_after_the_executor_is_shut_down(loop, run):
    run(loop.shutdown_default_executor())
    with pytest.raises(RuntimeError, match="^Executor shutdown has been called$"):
        run(loop.getaddrinfo("127.0.0.1", 80))


@pytest.mark.goloop_only
def test_lookups_leave_the_executor_alone(loop, run):
    run(loop.getaddrinfo("127.0.0.1", 80))
    run(loop.getaddrinfo("localhost", 80, family=socket.AF_INET))
    run(loop.getnameinfo(("127.0.0.1", 80), 0))
    assert loop._default_executor is None


def test_audit_hooks_hear_of_lookups(script):
    out = script("""
        async def main():
            loop = asyncio.get_running_loop()
            heard = []
            sys.addaudithook(lambda event, args: heard.append((event, args)) if event.startswith("socket.get") else None)
            for host in ("127.0.0.1", b"::1", "localhost", "localhost"):
                await loop.getaddrinfo(host, "80", family=0, type=socket.SOCK_STREAM, flags=4 if host != "localhost" else 0)
            for port in (80, 80):
                await loop.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)
            await loop.getnameinfo(("127.0.0.1", 80), 3)
            for event in heard:
                print(*event)

        run(main())
    """)
    assert out.splitlines() == [
        "socket.getaddrinfo ('127.0.0.1', '80', 0, 1, 0)",
        "socket.getaddrinfo (b'::1', '80', 0, 1, 0)",
        "socket.getaddrinfo ('localhost', '80', 0, 1, 0)",
        "socket.getaddrinfo ('localhost', '80', 0, 1, 0)",
        "socket.getaddrinfo ('127.0.0.1', 80, 0, 1, 0)",
        "socket.getaddrinfo ('127.0.0.1', 80, 0, 1, 0)",
        "socket.getnameinfo (('127.0.0.1', 80),)",
    ]


def test_what_an_audit_hook_refuses_is_not_looked_up(script):
    out = script("""
        async def main():
            loop = asyncio.get_running_loop()
            heard = []

            def refuse(event, args):
                if event == "socket.getaddrinfo":
                    heard.append(event)
                    if len(heard) % 2:
                        raise errors[0]("refused")

            sys.addaudithook(refuse)
            errors = [ValueError, TypeError, OverflowError, PermissionError]
            while errors:
                for host in ("127.0.0.1", "localhost"):
                    heard.clear()
                    try:
                        print(await loop.getaddrinfo(host, 80))
                    except errors[0]:
                        print(len(heard))
                errors.pop(0)

        run(main())
    """)
    assert out == "1\n" * 8


class Changing:
    """Another number each time."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def __index__(self):
        return self.numbers.pop(0)


def test_numbers_may_change(loop, run):
    async def main():
        kind = Changing(*map(int, (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM)))
        return [(await loop.getaddrinfo("127.0.0.1", 80, type=kind))[0][1] for _ in range(3)]

    assert run(main()) == [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM]


def test_arguments_keep_no_loop(loop_factory):
    class Family(int):
        pass

    family = Family(socket.AF_INET)
    family.loop = loop_factory()
    family.loop.run_until_complete(family.loop.getaddrinfo("127.0.0.1", 80, family=family))
    family.loop.run_until_complete(
        family.loop.shutdown_default_executor()
    )  # its threads may know the last call
    family.loop.close()
    gone = weakref.ref(family.loop)
    del family
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("wrong", ["host", "port"])
def test_buffers_are_no_texts(loop, run, wrong):
    arguments = {"host": "127.0.0.1", "port": "80", wrong: (ctypes.c_char * 2)(*b"80")}
    expected = outcome(socket.getaddrinfo, *arguments.values())
    assert run(outcome_of(loop.getaddrinfo(*arguments.values()))) == expected
