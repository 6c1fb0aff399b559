"""The transports of a server, as ``asyncio.Server._clients`` has them from Python 3.13 on, while they go."""

import pytest

pytestmark = pytest.mark.since("3.13")

# What a program with paused transports that nobody keeps begins with; `settle` awaits a condition.
PAUSED = """
    import gc, warnings, weakref
    warnings.simplefilter("ignore")  # that they were not closed
    sys.unraisablehook = lambda *_: None  # CPython's own server fails when its last goes

    async def settle(condition):
        async with asyncio.timeout(10):
            while not condition():
                gc.collect()
                await asyncio.sleep(0.001)

    def clients(server, count):
        return [socket.create_connection(server.sockets[0].getsockname()) for _ in range(count)]
"""


def test_who_is_told_that_a_transport_goes_does_not_find_it(script):
    out = script(
        PAUSED
        + """
    refs = []

    class Paused(asyncio.Protocol):
        def connection_made(self, transport):
            transport.pause_reading()
            refs.append(weakref.ref(transport, gone))

    def gone(ref):
        assert not any(transport.get_extra_info("peername") is None for transport in server._clients)
        left.append(len(list(server._clients)))

    async def main():
        global server, left
        left = []
        server = await asyncio.get_running_loop().create_server(Paused, "127.0.0.1", 0)
        kept = clients(server, 3)
        await settle(lambda: len(left) == 3)
        print(left, len(server._clients))
        server.close()

    run(main())
    """
    )
    assert out.endswith(" 0\n")


def test_wait_closed_ends_when_the_last_transports_are_collected(script):
    out = script(
        PAUSED
        + """
    protocols = []

    class Paused(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            transport.pause_reading()
            protocols.append(self)

    async def main():
        server = await asyncio.get_running_loop().create_server(Paused, "127.0.0.1", 0)
        kept = clients(server, 3)
        await settle(lambda: len(protocols) == 3)
        server.close()
        waiting = asyncio.ensure_future(server.wait_closed())
        await asyncio.sleep(0)
        print(waiting.done(), len(server._clients))
        protocols.clear()
        await settle(waiting.done)
        print(len(server._clients))

    run(main())
    """
    )
    assert out == "False 3\n0\n"


def test_an_exit_out_of_a_look_at_them_loses_none(script):
    """At each line that the look runs, in turn."""
    out = script(
        PAUSED
        + """
    class Quiet(asyncio.Protocol):
        pass

    async def main():
        server = await asyncio.get_running_loop().create_server(Quiet, "127.0.0.1", 0)
        kept = clients(server, 30)
        await settle(lambda: len(server._clients) == 30)
        for number in range(100):
            lines = iter(range(number))

            def leave(frame, event, arg):
                if event == "line" and next(lines, None) is None:
                    raise KeyboardInterrupt
                return leave

            try:
                sys.settrace(leave)
                list(server._clients)
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(None)
        found = len(list(server._clients))
        server.close()
        server.close_clients()
        await server.wait_closed()
        print(found)

    run(main())
    """
    )
    assert out == "30\n"
