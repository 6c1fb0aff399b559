"""What a program reads of a loop: its selector, its internal descriptors, what debug mode keeps."""

import asyncio
import selectors
import weakref
from asyncio import constants

import pytest

from protocols import Recorder


def test_selector_shows_what_is_watched(loop, socket_pair):
    ours, peer = socket_pair()
    selector = loop._selector
    with pytest.raises(KeyError):
        selector.get_key(ours)
    loop.add_reader(ours, print, "readable")
    assert selector.get_key(ours).events == selectors.EVENT_READ
    loop.add_writer(ours.fileno(), print, "writable")
    key = selector.get_key(ours)
    assert key.events == selectors.EVENT_READ | selectors.EVENT_WRITE
    assert (key.fileobj, key.fd) in ((ours, ours.fileno()), (ours.fileno(), ours.fileno()))
    assert [handle._args for handle in key.data] == [("readable",), ("writable",)]
    assert ours.fileno() in selector.get_map()
    assert peer.fileno() not in selector.get_map()
    loop.remove_reader(ours)
    assert selector.get_key(ours).events == selectors.EVENT_WRITE
    loop.remove_writer(ours)
    with pytest.raises(KeyError):
        selector.get_key(ours)


def test_closed_loop_has_no_selector_and_no_internal_descriptor(loop):
    assert loop._internal_fds == 1
    loop.close()
    assert loop._internal_fds == 0
    assert (loop._selector, loop._csock, loop._ssock) == (None, None, None)


@pytest.mark.parametrize("debug", [False, True])
def test_task_that_fails_unseen_is_reported_at_once(loop, run, debug):
    messages = []  # not the contexts, which hold the task
    loop.set_exception_handler(lambda loop, context: messages.append(context["message"]))
    loop.set_debug(debug)

    async def fail():
        raise ZeroDivisionError

    async def main():
        task = weakref.ref(loop.create_task(fail()))
        await asyncio.sleep(0)
        return task()

    assert run(main()) is None
    assert messages == ["Task exception was never retrieved"]


def test_slow_callback_is_told_to_the_logger_that_base_events_has(loop, monkeypatch):
    told = []

    class Logger:
        def warning(self, message, *args):
            told.append(message % args)

        def debug(self, *args):
            pass

    monkeypatch.setattr(asyncio.base_events, "logger", Logger())
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert told
    assert all(text.startswith("Executing <") for text in told)


def test_transports_say_whether_sendfile_and_start_tls_can_use_them(loop, run, endpoint, socket_pair, pipe):
    def said(transport):
        names = ("_sendfile_compatible", "_start_tls_compatible")
        return [getattr(transport, name, "nothing") for name in names]

    async def main():
        stream, protocol = await loop.create_connection(Recorder, sock=socket_pair()[0])
        assert said(stream) == [constants._SendfileMode.TRY_NATIVE, True]
        datagrams, _ = await endpoint()
        reader, reading = await loop.connect_read_pipe(Recorder, pipe()[0])
        for transport in (datagrams, reader):
            assert said(transport) == ["nothing", "nothing"]
        stream.close()
        reader.close()
        await protocol.lost()
        await reading.lost()

    run(main())
