"""TLS record by record: goloop.tls.SSLProtocol beside asyncio.sslproto's, over a transport that a test drives."""

import asyncio
import importlib
import ssl
from asyncio import sslproto

import hypothesis
import pytest
from hypothesis import strategies as st

from protocols import turns

pytestmark = [
    pytest.mark.goloop_only,
    pytest.mark.since("3.11"),
]  # before, sslproto is another and there is nothing of ours

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module")
def contexts(authority):
    """(server, client) by version."""
    certificate = authority.issue_cert("localhost")
    made = {}
    for name, version in VERSIONS.items():
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(server)
        client = ssl.create_default_context()
        authority.configure_trust(client)
        server.minimum_version = server.maximum_version = version
        made[name] = server, client
    return made


class Wire(asyncio.Transport):
    """The transport below: keeps what is written, and in the trace what it is told."""

    def __init__(self, trace):
        super().__init__()
        self.trace = trace
        self.sent = bytearray()
        self.gone = False
        self.protocol = None

    def write(self, data):
        self.trace.append(("send", len(data)))
        self.sent += data

    def pause_reading(self):
        self.trace.append("pause below")

    def resume_reading(self):
        self.trace.append("resume below")

    def is_closing(self):
        return self.gone

    def close(self):
        self.lose("close below", None)

    def abort(self):
        self.lose("abort below", None)

    def _force_close(self, exc):
        self.lose("abort below", exc)

    def lose(self, how, exc):
        self.trace.append((how, type(exc)))
        if not self.gone:
            self.gone = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, exc)


class App:
    """Records each callback, and does in the next data callbacks what `reactions` says."""

    def __init__(self, trace, reactions):
        self.trace = trace
        self.reactions = reactions
        self.transport = None

    def connection_made(self, transport):
        self.trace.append("connection_made")
        self.transport = transport

    def got(self, data):
        self.trace.append((type(self).__name__, data))
        if not self.reactions:
            return
        reaction = self.reactions.pop(0)
        if reaction == "echo":
            self.transport.write(data)
        elif reaction == "echo in pieces":
            for start in range(0, len(data), 1 + len(data) // 3):
                self.transport.write(data[start : start + 1 + len(data) // 3])
        elif reaction == "writelines":
            self.transport.writelines([data[:1], bytearray(data[1:2]), memoryview(data)[2:]])
        elif reaction == "pause":
            self.transport.pause_reading()
        elif reaction == "close":
            self.transport.close()
        elif reaction == "abort":
            self.transport.abort()
        elif reaction == "raise":
            raise ZeroDivisionError
        elif reaction in OTHERS:
            other = OTHERS[reaction](self.trace, self.reactions)
            other.transport = self.transport
            self.transport.set_protocol(other)

    def eof_received(self):
        self.trace.append("eof_received")

    def connection_lost(self, exc):
        self.trace.append(("connection_lost", type(exc)))

    def pause_writing(self):
        self.trace.append("pause_writing")

    def resume_writing(self):
        self.trace.append("resume_writing")


class Plain(App, asyncio.Protocol):
    def data_received(self, data):
        assert type(data) is bytes
        self.got(data)


class Buffered(App, asyncio.BufferedProtocol):
    size = 20_000  # of the buffer

    def get_buffer(self, sizehint):
        self.trace.append(("get_buffer", sizehint))
        self.view = memoryview(bytearray(self.size))
        return self.view

    def buffer_updated(self, nbytes):
        self.got(bytes(self.view[:nbytes]))


class Narrow(Buffered):
    size = 100


OTHERS = {"plain": Plain, "buffered": Buffered, "narrow": Narrow}


class Session:
    """One protocol under test, as the server, and its peer, which is OpenSSL alone."""

    def __init__(self, loop, kind, contexts, app, reactions):
        self.loop, self.trace = loop, []
        loop.set_exception_handler(
            lambda loop, context: self.trace.append((context["message"], type(context["exception"])))
        )
        server, client = contexts
        self.app = app(self.trace, list(reactions))
        self.wire = Wire(self.trace)
        self.waiter = loop.create_future()
        self.protocol = self.wire.protocol = kind(loop, self.app, server, self.waiter, server_side=True)
        self.transport = self.protocol._app_transport
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.peer = client.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.plaintext = bytearray()  # what the peer has read
        self.eof = False

    async def handshake(self):
        self.protocol.connection_made(self.wire)
        while not self.waiter.done():
            try:
                self.peer.do_handshake()
            except ssl.SSLWantReadError:
                pass
            self.deliver(1 << 20)
            await turns(1)
            self.pull()
        await self.waiter
        self.read()
        self.trace[:] = ["connection_made"]  # signatures have no fixed size

    def pull(self):
        """What was sent reaches the peer."""
        self.incoming.write(self.wire.sent)
        self.wire.sent.clear()

    def read(self):
        self.pull()
        try:
            while data := self.peer.read(1 << 20):
                self.plaintext += data
            self.trace.append("peer has close_notify")
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as exc:
            self.trace.append(("peer", exc.reason))

    def deliver(self, size):
        """Up to `size` encrypted bytes of the peer reach the protocol, as from one read of a socket."""
        data = self.outgoing.read(size)
        while data and not self.wire.gone and not self.eof:
            view = memoryview(self.protocol.get_buffer(-1))
            part, data = data[: len(view)], data[len(view) :]
            view[: len(part)] = part
            self.protocol.buffer_updated(len(part))

    async def do(self, step, argument):
        try:
            getattr(self, f"step_{step}")(argument)
        except (AttributeError, RuntimeError) as exc:  # what asyncio's class does not expect of a callback
            self.trace.append(str(exc))
        await turns(2)
        self.read()
        protocol = self.protocol
        self.trace.append(
            (
                step,
                protocol._state.name,
                protocol._get_write_buffer_size(),
                protocol._incoming.pending,
                bytes(self.plaintext),
            )
        )
        self.plaintext.clear()

    def step_peer_writes(self, sizes):
        for number, size in enumerate(sizes):
            try:
                self.peer.write(bytes([65 + number % 26]) * size)
            except ssl.SSLError as exc:
                self.trace.append(("peer", exc.reason))

    def step_deliver(self, size):
        self.deliver(size)

    def step_peer_closes(self, _):
        try:
            self.peer.unwrap()
        except ssl.SSLError as exc:
            self.trace.append(("peer", exc.reason))

    def step_garbage(self, size):
        self.outgoing.write(b"\x17\x03\x03" + size.to_bytes(2, "big") + bytes(size))

    def step_eof(self, _):
        self.deliver(ALL)  # between records: test_tls_ends.py has the other ends
        if not self.eof and not self.wire.gone:
            self.eof = True
            if not self.protocol.eof_received():
                self.wire.close()

    def step_write(self, data):
        if self.app.transport is not None:
            self.transport.write(data)

    def step_writelines(self, list_of_data):
        self.transport.writelines(list_of_data)

    def step_limits(self, high):
        if not self.wire.gone:
            self.transport.set_write_buffer_limits(high=high)

    def step_read_limits(self, high):
        if not self.wire.gone:
            self.transport.set_read_buffer_limits(high=high)

    def step_reading(self, on):
        if not self.wire.gone:
            self.transport.resume_reading() if on else self.transport.pause_reading()

    def step_hurry(self, size):
        """What comes between resume_reading() and the callback that it schedules brings all that has waited."""
        if not self.wire.gone:
            self.transport.resume_reading()
        self.deliver(size)

    def step_writing_below(self, on):
        if self.protocol._ssl_writing_paused == on and not self.wire.gone:
            self.protocol.resume_writing() if on else self.protocol.pause_writing()

    def step_close(self, _):
        if not self.transport.is_closing():
            self.transport.close()

    def step_abort(self, _):
        self.transport.abort()


def trace_of(loop_factory, kind, contexts, app, reactions, steps):
    loop = loop_factory()
    session = Session(loop, kind, contexts, app, reactions)

    async def main():
        await session.handshake()
        for step, argument in steps:
            await session.do(step, argument)
        session.transport.abort()
        await turns(3)

    try:
        loop.run_until_complete(main())
    finally:
        session.protocol._app_transport = None
        session.transport._closed = True
        loop.close()
    return session.trace


@pytest.fixture
def same_as_asyncio(loop_factory, contexts):
    """Runs steps on both classes and compares all that their surroundings saw."""
    ours = importlib.import_module("goloop.tls").SSLProtocol
    assert ours is not sslproto.SSLProtocol

    def compare(version, app, reactions, steps):
        given = contexts[version], app, reactions, steps
        trace = trace_of(loop_factory, ours, *given)
        assert trace == trace_of(asyncio.SelectorEventLoop, sslproto.SSLProtocol, *given)
        return trace

    return compare


ALL = 1 << 20  # more than there is
SIZES = st.one_of(
    st.integers(0, 3), st.integers(4, 2000), st.sampled_from([16383, 16384, 16385, 40_000, 70_000])
)
DATA = st.builds(lambda size, kind: kind(b"z" * size), SIZES, st.sampled_from([bytes, bytearray, memoryview]))
STEPS = st.one_of(
    st.tuples(st.just("peer_writes"), st.lists(SIZES, min_size=1, max_size=4)),
    st.tuples(
        st.sampled_from(["deliver", "hurry"]),
        st.one_of(st.integers(1, 30), st.integers(1, 20_000), st.just(ALL)),
    ),
    st.tuples(st.just("write"), DATA),
    st.tuples(st.just("writelines"), st.lists(DATA, max_size=3)),
    st.tuples(st.sampled_from(["reading", "writing_below"]), st.booleans()),
    st.tuples(st.sampled_from(["limits", "read_limits"]), st.sampled_from([0, 1, 1000, None])),
    st.tuples(st.sampled_from(["peer_closes", "eof", "close", "abort"]), st.none()),
    st.tuples(st.just("garbage"), st.integers(1, 100)),
)
REACTIONS = st.sampled_from(
    [
        "",
        "echo",
        "echo in pieces",
        "writelines",
        "pause",
        "close",
        "abort",
        "raise",
        "plain",
        "buffered",
        "narrow",
    ]
)


EXAMPLES = {  # of what chance finds seldom
    "writing is held back at each write": [("limits", 0), ("write", b"one"), ("write", b"two")],
    "writing is held back below": [
        ("limits", 1000),
        ("writing_below", False),
        ("write", bytes(2000)),
        ("write", bytes(2000)),
        ("writing_below", True),
    ],
    "reading is held back": [
        ("read_limits", 1000),
        ("reading", False),
        ("peer_writes", [600, 600, 600]),
        ("deliver", 500),
        ("deliver", ALL),
        ("reading", True),
    ],
    "what has waited comes with the next": [
        ("reading", False),
        ("peer_writes", [16_000] * 12),
        ("deliver", ALL),
        ("peer_writes", [5]),
        ("hurry", ALL),
    ],
    "more than one buffer holds": [("peer_writes", [70_000] * 8), ("deliver", ALL)],
    "closed, and closed again by what is read meanwhile": [
        ("peer_writes", [250]),
        ("deliver", ALL),
        ("write", b"x"),
        ("writelines", [b"x"]),
        ("reading", False),
        ("limits", 0),
    ],
    "closed, or aborted, by what is read at the end": [("peer_writes", [250]), ("eof", None)],
    "records in parts": [("peer_writes", [5, 5, 70_000]), ("deliver", 40), ("deliver", 3), ("deliver", ALL)],
    "data and the end at once": [("peer_writes", [3, 3]), ("peer_closes", None), ("deliver", ALL)],
    "data, what is no record": [("peer_writes", [3]), ("garbage", 50), ("deliver", ALL)],
    "the end of the connection without close_notify": [("peer_writes", [3]), ("deliver", ALL), ("eof", None)],
}


@pytest.mark.parametrize("reaction", ["", "echo", "close", "close twice", "abort", "raise", "buffered"])
@pytest.mark.parametrize("app", [Plain, Buffered, Narrow])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_chosen_sequence_is_as_on_asyncio(same_as_asyncio, version, app, reaction, name):
    reactions = ["close", "close"] if reaction == "close twice" else [reaction]
    same_as_asyncio(version, app, reactions, EXAMPLES[name])


@hypothesis.settings(max_examples=150)
@hypothesis.given(
    version=st.sampled_from(sorted(VERSIONS)),
    app=st.sampled_from([Plain, Buffered, Narrow]),
    reactions=st.lists(REACTIONS, max_size=6),
    steps=st.lists(STEPS, max_size=14),
)
def test_any_sequence_is_as_on_asyncio(same_as_asyncio, version, app, reactions, steps):
    same_as_asyncio(version, app, reactions, steps)
