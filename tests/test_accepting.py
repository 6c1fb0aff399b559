"""Connections that are accepted while the program stops, cancels its tasks or closes the server."""

import asyncio
import gc
import socket
import threading

import pytest

from protocols import Recorder, turns

# asyncio leaves it to the finaliser to close what it could not make.
LEFT_OPEN = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


class Keeping(Recorder):
    """Does not close by itself."""

    def __init__(self):
        super().__init__(keep_open=True)


class Factory:
    """Makes protocols, and runs `first` before the first of them."""

    def __init__(self, first=None):
        self.first = first
        self.protocols = []

    def __call__(self):
        self.protocols.append(Keeping())
        if len(self.protocols) == 1 and self.first:
            self.first()
        return self.protocols[-1]


def cancel_all(loop):
    for task in asyncio.all_tasks(loop):
        task.cancel()


def stop_and_cancel_all(loop):
    loop.stop()
    cancel_all(loop)


def in_thread(loop, callback):
    """Schedule callback from another thread, while this one waits."""
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(callback, loop))
    thread.start()
    thread.join()


@pytest.fixture
def listening(loop, run, server_context):
    """Starts a server and connects sockets to it before the loop looks: (server, sockets)."""
    opened = []

    def listening(factory, count=1, tls=False, **options):
        server = run(
            loop.create_server(factory, "127.0.0.1", 0, ssl=server_context if tls else None, **options)
        )
        for _ in range(count):
            opened.append(socket.create_connection(server.sockets[0].getsockname()))
            opened[-1].settimeout(10)
        return server, opened

    yield listening
    for sock in opened:
        sock.close()


async def closed(server):
    server.close()
    await server.wait_closed()


ENDS = {
    "directly": lambda loop: stop_and_cancel_all(loop),
    "by call_soon": lambda loop: loop.call_soon(stop_and_cancel_all, loop),
    "by another thread": lambda loop: in_thread(loop, stop_and_cancel_all),
    "by a task": lambda loop: in_thread(loop, lambda loop: loop.create_task(ending(loop))),
}


async def ending(loop):
    stop_and_cancel_all(loop)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("end", ENDS)
def test_connection_whose_factory_sees_the_end_is_closed(loop, run, listening, end, tls):
    factory = Factory(lambda: ENDS[end](loop))
    server, [client] = listening(factory, tls=tls)
    loop.run_forever()
    run(closed(server))
    assert client.recv(1) == b""


@pytest.mark.parametrize("end", [end for end in ENDS if end != "by a task"])
def test_connection_whose_connection_made_sees_the_end_is_closed(loop, run, listening, end):
    class Ending(Keeping):
        def connection_made(self, transport):
            super().connection_made(transport)
            ENDS[end](loop)

    server, [client] = listening(Ending)
    loop.run_forever()
    run(closed(server))
    assert client.recv(1) == b""


def test_all_connections_that_came_with_the_first_are_closed(loop, run, listening):
    factory = Factory(lambda: in_thread(loop, stop_and_cancel_all))
    server, clients = listening(factory, 5)
    loop.run_forever()
    run(closed(server))
    assert [client.recv(1) for client in clients] == [b""] * 5


def test_handshake_that_has_not_ended_is_cancelled_with_the_tasks(loop, run, listening):
    factory = Factory()
    server, [client] = listening(factory, tls=True)
    run(until(lambda: factory.protocols))
    run(turns(5))
    stop_and_cancel_all(loop)
    loop.run_forever()
    run(closed(server))
    assert client.recv(1) == b""
    assert factory.protocols[0].calls == []


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


def is_accepting(task):
    return "_accept_connection" in repr(task) or not isinstance(task, asyncio.Task)


def test_open_connection_is_no_task(loop, run, listening):
    factory = Factory()
    server, [client] = listening(factory)

    async def main():
        await until(lambda: factory.protocols and factory.protocols[0].calls)
        await turns(5)
        assert not [task for task in asyncio.all_tasks() if is_accepting(task)]
        factory.protocols[0].transport.close()
        await closed(server)

    run(main())


def test_who_waits_for_all_tasks_waits_for_what_is_being_accepted(loop, run, listening):
    """And sees an end of it, without having cancelled."""
    factory = Factory()
    waited = []

    async def wait():
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(tasks)
        waited.append(len(tasks))

    factory.first = lambda: waited.append(loop.create_task(wait()))
    server, _ = listening(factory)

    async def main():
        factory.protocols[0].transport.close()
        await closed(server)

    loop.call_later(0.01, loop.stop)
    while not waited:
        loop.run_forever()
    loop.run_until_complete(waited[0])
    assert waited[1:] == [1]
    run(main())


def test_connection_accepted_in_the_turn_of_stop_is_served_by_the_next_run(loop, run, listening):
    factory = Factory()
    server, [client] = listening(factory)
    for _ in range(3):
        loop.stop()
        loop.run_forever()
    client.sendall(b"data")

    async def main():
        await until(lambda: factory.protocols)
        await factory.protocols[0].received(4)
        factory.protocols[0].transport.close()
        await closed(server)

    run(main())


@LEFT_OPEN
def test_connection_accepted_in_the_turn_of_stop_ends_with_its_server(loop, run, listening):
    factory = Factory()
    server, [client] = listening(factory)
    loop.stop()
    loop.run_forever()
    server.close()
    gc.collect()
    run(server.wait_closed())
    gc.collect()
    assert reset_or_end(client)
    assert not any(protocol.calls for protocol in factory.protocols)


def test_connection_whose_making_was_put_off_by_stop_ends_with_its_server(loop, run, listening):
    factory = Factory(loop.stop)
    server, [client] = listening(factory)
    loop.run_forever()
    server.close()
    run(server.wait_closed(), limit=2)
    client.settimeout(2)
    assert client.recv(1) == b""
    assert factory.protocols[0].calls == []


@pytest.mark.goloop_only  # asyncio says that its task was destroyed
def test_connection_accepted_in_the_turn_of_stop_ends_with_the_loop(loop, run, listening):
    factory = Factory()
    server, [client] = listening(factory)
    loop.stop()
    loop.run_forever()
    loop.close()
    server.close()
    assert reset_or_end(client)
    assert factory.protocols == []


def reset_or_end(client):
    """Whether the peer is told of the end: by a reset where the server never took the connection."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@LEFT_OPEN
def test_connections_whose_factory_closes_the_server_are_closed(loop, run, listening):
    factory = Factory(lambda: server.close())
    server, clients = listening(factory, 3)
    run(server.wait_closed())
    run(turns(3))
    gc.collect()
    for client in clients:
        assert reset_or_end(client)


def test_connections_that_came_with_the_first_are_served_when_that_closes_the_server(loop, run, listening):
    class Closing(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            server.close()
            transport.write(b"served")
            transport.close()

    server, clients = listening(Closing, 5)
    run(server.wait_closed())
    assert [client.recv(9) for client in clients] == [b"served"] * 5


@LEFT_OPEN
def test_interrupt_in_a_factory_leaves_the_others_to_the_next_run(loop, run, listening, errors):
    def interrupt():
        raise KeyboardInterrupt

    factory = Factory(interrupt)
    server, _ = listening(factory, 3)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()

    async def main():
        await until(lambda: sum(bool(protocol.calls) for protocol in factory.protocols) == 2)
        for protocol in factory.protocols[1:]:
            protocol.transport.close()
        await closed(server)

    run(main())
    gc.collect()
    assert set(errors.messages()) <= {"Task exception was never retrieved"}  # asyncio's


def test_interrupt_in_connection_made_leaves_the_others_to_the_next_run(loop, run, listening):
    class Interrupted(Keeping):
        def connection_made(self, transport):
            super().connection_made(transport)
            made.append(transport)
            if len(made) == 1:
                raise KeyboardInterrupt

    made = []
    server, clients = listening(Interrupted, 3)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()

    async def main():
        await until(lambda: len(made) == 3)
        for transport in made:
            transport.write(b"served")
            transport.close()
        await closed(server)

    run(main())
    assert [client.recv(9) for client in clients] == [b"served"] * 3
