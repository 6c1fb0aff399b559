"""Arguments given by name: the names are those of asyncio's signatures."""

import contextvars
import socket

import pytest

from protocols import Recorder, turns

AT = {"call_later": "delay", "call_at": "when"}
variable = contextvars.ContextVar("variable", default="outside")


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe"])
def test_callback_of_call_soon_by_name(loop, run, method):
    async def main():
        context = contextvars.copy_context()
        context.run(variable.set, "inside")
        called = []
        getattr(loop, method)(callback=lambda: called.append(variable.get()))
        getattr(loop, method)(context=context, callback=lambda: called.append(variable.get()))
        await turns(1)
        assert called == ["outside", "inside"]

    run(main())


@pytest.mark.parametrize("method", AT)
def test_arguments_of_a_timer_by_name(loop, run, method):
    async def main():
        first = loop.create_future()
        when = loop.time() - 1 if method == "call_at" else -1
        getattr(loop, method)(when, callback=lambda: first.set_result("callback by name"))
        assert await first == "callback by name"
        both = loop.create_future()
        getattr(loop, method)(**{"callback": lambda: both.set_result("both by name"), AT[method]: when})
        assert await both == "both by name"

    run(main())


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", *AT])
def test_wrong_names_are_refused(loop, method):
    def refused(text, *args, **kwargs):
        with pytest.raises(TypeError) as info:
            getattr(loop, method)(*args, **kwargs)
        assert str(info.value) == f"BaseEventLoop.{method}() {text}"

    first = [1] if method in AT else []
    refused("got multiple values for argument 'callback'", *first, print, callback=print)
    refused("got an unexpected keyword argument 'colour'", colour=1)
    refused("got an unexpected keyword argument 'colour'", *first, print, 1, context=None, colour=1)
    refused("missing 1 required positional argument: 'callback'", *first)
    if method in AT:
        name = AT[method]
        refused(f"got multiple values for argument '{name}'", 1, print, **{name: 1})
        refused(f"missing 1 required positional argument: '{name}'", callback=print)
        refused("missing 1 required positional argument: 'callback'", **{name: 1})
        refused(f"missing 2 required positional arguments: '{name}' and 'callback'", context=None)


def test_arguments_of_a_stream_by_name(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(data=b"one ")
        transport.writelines(list_of_data=[b"two ", b"three"])
        transport.set_protocol(protocol=protocol)
        await turns(2)
        assert await loop.sock_recv(peer, 100) == b"one two three"
        for method, name in [("write", "data"), ("writelines", "list_of_data"), ("set_protocol", "protocol")]:
            with pytest.raises(TypeError, match=rf"{method}\(\) got an unexpected keyword argument 'colour'"):
                getattr(transport, method)(colour=b"")
            with pytest.raises(TypeError, match=rf"{method}\(\) got multiple values for argument '{name}'"):
                getattr(transport, method)(b"", **{name: b""})
            with pytest.raises(
                TypeError, match=rf"{method}\(\) missing 1 required positional argument: '{name}'"
            ):
                getattr(transport, method)()
            with pytest.raises(
                TypeError, match=rf"{method}\(\) takes 2 positional arguments but 3 were given"
            ):
                getattr(transport, method)(b"", b"")
        transport.close()
        await protocol.lost()

    run(main())


def test_arguments_of_a_pipe_by_name(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        transport.set_protocol(protocol=protocol)
        transport.write(data=b"one ")
        transport.writelines(list_of_data=[b"two"])
        transport.close()
        await protocol.lost()
        assert reader.read(100) == b"one two"

    run(main())


def test_protocol_of_a_datagram_transport_by_name(run, endpoint):
    async def main():
        transport, protocol = await endpoint(family=socket.AF_INET, local_addr=("127.0.0.1", 0))
        transport.set_protocol(protocol=protocol)
        assert transport.get_protocol() is protocol

    run(main())
