"""A panic of the engine ends its loop with RuntimeError: never the process, nor another loop."""

import asyncio
import gc
import os
import socket
import threading
import warnings

import pytest

from protocols import Echo, Recorder

pytestmark = pytest.mark.goloop_only

TEXT = "^goloop: the engine failed and this event loop is closed: asked for by a test\n"


def serves(factory):
    """Whether a loop of the factory can be made, and serves a connection."""

    async def main():
        echo = Echo()
        server = await loop.create_server(lambda: echo, "127.0.0.1", 0)
        transport, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        transport.write(b"hello")
        answer = await asyncio.wait_for(client.received(5), 10)
        transport.close()
        await client.lost()
        await echo.lost()
        server.close()
        await server.wait_closed()
        return answer

    loop = factory()
    try:
        return loop.run_until_complete(main()) == b"hello"
    finally:
        loop.close()


def descriptors():
    return len(os.listdir("/dev/fd"))


def test_panic_is_a_runtime_error_with_the_go_stack(loop_factory):
    loop = loop_factory()
    with pytest.raises(RuntimeError, match=TEXT) as caught:
        loop._inject_panic()
    assert "\ngoroutine " in str(caught.value)
    assert "goloop/loop.(*Engine)" in str(caught.value)
    assert serves(loop_factory)


def test_loop_is_closed_after_a_panic(loop_factory):
    loop = loop_factory()
    with pytest.raises(RuntimeError, match=TEXT):
        loop._inject_panic()
    assert loop.is_closed()
    assert not loop.is_running()
    for method, *args in [
        (loop.run_forever,),
        (loop.call_soon, print),
        (loop.call_soon_threadsafe, print),
        (loop.call_later, 1, print),
        (loop.add_reader, 0, print),
        (loop._inject_panic,),
    ]:
        with pytest.raises(RuntimeError, match="^Event loop is closed$"):
            method(*args)
    loop.close()
    loop.close()


def test_panic_gives_back_the_descriptors(loop_factory):
    loop_factory().close()  # the first one opens some for the process
    before = descriptors()
    for _ in range(5):
        loop = loop_factory()
        loop._signal_fd()
        with pytest.raises(RuntimeError, match=TEXT):
            loop._inject_panic()
        loop.close()
    assert descriptors() == before


def test_panic_drops_what_was_scheduled(loop_factory):
    loop = loop_factory()
    calls = []
    ours, peer = socket.socketpair()
    loop.call_soon(calls.append, "soon")
    loop.call_later(0, calls.append, "later")
    loop.add_reader(ours, calls.append, "reader")
    peer.send(b"x")
    with pytest.raises(RuntimeError, match=TEXT):
        loop._inject_panic()
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        loop.run_forever()
    loop.close()
    ours.close()
    peer.close()
    assert calls == []


def test_panic_in_a_callback_ends_the_run(loop_factory):
    loop = loop_factory()
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))
    loop.call_soon(loop._inject_panic)
    loop.call_later(1000, print)
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        loop.run_forever()
    [context] = contexts
    assert str(context["exception"]).startswith("goloop: the engine failed")
    assert loop.is_closed()
    assert not loop.is_running()
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    loop.close()
    assert serves(loop_factory)


def test_panic_in_a_task_ends_the_run(loop_factory):
    async def main():
        try:
            asyncio.get_running_loop()._inject_panic()
        except RuntimeError as exc:
            errors.append(exc)

    errors = []
    loop = loop_factory()
    with pytest.raises(RuntimeError):
        loop.run_until_complete(main())
    assert str(errors[0]).startswith("goloop: the engine failed")
    loop.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # nobody closes what the panic has left
@pytest.mark.parametrize("buffered", [0, 1 << 20], ids=["idle", "writing"])
def test_panic_while_fifty_connections_are_open(loop_factory, buffered):
    """Their transports say that the loop is closed, and dropped they give their descriptors back."""

    async def main(loop):
        server = await loop.create_server(Recorder, "127.0.0.1", 0)
        connections = []
        for _ in range(50):
            transport, protocol = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
            transport.write(b"x" * buffered)
            connections.append((transport, protocol))
        return server, connections

    loop_factory().close()
    before = descriptors()
    loop = loop_factory()
    server, connections = loop.run_until_complete(main(loop))
    with pytest.raises(RuntimeError, match=TEXT):
        loop._inject_panic()
    for transport, _ in connections[:10]:
        with pytest.raises(RuntimeError, match="^Event loop is closed$"):
            transport.abort()
    for transport, _ in connections[10:20]:
        with pytest.raises(RuntimeError, match="^Event loop is closed$"):
            transport.close()
        assert transport.is_closing()
    for transport, _ in connections[20:30]:
        with pytest.raises(RuntimeError, match="^Event loop is closed$"):
            transport.write(b"more")
        repr(transport)
        transport.get_extra_info("peername")
        transport.get_write_buffer_size()
        transport.pause_reading()
        transport.resume_reading()
    server.close()
    loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del transport, _, connections, server, loop
        gc.collect()
    assert descriptors() == before
    assert serves(loop_factory)


def test_panic_of_a_threads_loop(loop_factory):
    """The loop of another thread, and this one's, run on."""

    def fail():
        loop = loop_factory()
        loop.set_exception_handler(lambda loop, context: None)
        loop.call_later(0.001 * len(errors), loop._inject_panic)
        try:
            loop.run_forever()
        except RuntimeError as exc:
            errors.append(str(exc))
        loop.close()

    def serve():
        while not finished.is_set():
            served.append(serves(loop_factory))

    errors, served = [], []
    finished = threading.Event()
    bystander = threading.Thread(target=serve)
    bystander.start()
    mine = loop_factory()
    for _ in range(20):
        thread = threading.Thread(target=fail)
        thread.start()
        mine.run_until_complete(asyncio.sleep(0.001))
        thread.join()
    finished.set()
    bystander.join()
    mine.close()
    assert errors == ["Event loop is closed"] * 20
    assert served and all(served)


def test_panic_of_a_sleeping_loop_from_a_wrong_thread(loop_factory):
    """The submission waits for the turn under way, which ends with it."""
    loop = loop_factory()
    running = threading.Event()
    errors = []

    def run():
        loop.call_soon(running.set)
        try:
            loop.run_forever()
        except RuntimeError as exc:
            errors.append(str(exc))

    thread = threading.Thread(target=run)
    thread.start()
    running.wait()
    while not loop.is_closed():
        try:
            loop._inject_panic()
        except RuntimeError:
            break
    thread.join(10)
    assert not thread.is_alive()
    loop.close()
    assert len(errors) == 1
    assert errors[0].startswith("goloop: the engine failed") or errors[0] == "Event loop is closed"
    assert serves(loop_factory)


def test_process_with_a_panic_forks_and_exits_as_any_other(script):
    out = script("""
        import warnings
        warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)

        def panic():
            loop = new_event_loop()
            try:
                loop._inject_panic()
            except RuntimeError as exc:
                print(str(exc)[:25], flush=True)
            loop.close()

        panic()
        pid = os.fork()
        if pid == 0:
            panic()
            run(asyncio.sleep(0.001))
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        panic()
        run(asyncio.sleep(0.001))
    """)
    assert out.splitlines() == [
        "goloop: the engine failed",
        "goloop: the engine failed",
        "7",
        "goloop: the engine failed",
    ]
