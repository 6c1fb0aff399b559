"""What is done to a transport: programs that Hypothesis generates and shrinks.

A program names the kind of transport, the first protocol, what its callbacks do besides recording, and groups of
actions. A group runs in one callback; between two groups the loop runs until nothing is left to do.
"""

import dataclasses
import sys

from hypothesis import strategies as st

SMALL = (0, 1, 100, 5000)  # all of a program together fit into the kernel's buffers
HUGE = 2 << 20  # never fits
LIMITS = (None, 0, 10, 1000, 1 << 20, 1 << 24)
PROTOCOLS = ("plain", "buffered", "narrow")  # narrow: a BufferedProtocol with a small buffer

READING = ("pause_reading", "resume_reading")
if sys.version_info >= (3, 11):  # asyncio's reading pipes have none before
    READING += ("is_reading",)
WRITING = ("write_eof", "can_write_eof", "abort", "get_write_buffer_size", "get_write_buffer_limits")
PEER_READS = ("peer sends", "peer ends", "peer closes", "peer resets")  # what our reading side hears
KINDS = {
    "tcp": ("reads", "writes", "resets"),
    "unix": ("reads", "writes"),
    "reading pipe": ("reads",),
    "writing pipe": ("writes",),
}
REACTIONS = {
    "connection_made": ("raise", "pause_reading", "write", "close", "abort", "write_eof"),
    "data": ("raise", "pause_reading", "write", "close", "abort", "plain", "buffered", "narrow"),
    "eof_received": ("raise", "keep", "keep", "keep and write", "close", "abort", "keep and write_eof"),
    "pause_writing": ("raise", "close", "abort"),
    "resume_writing": ("raise", "close", "abort", "write"),
    # No write: asyncio sends it when close() had to wait for the buffer; ours sends nothing after connection_lost.
    "connection_lost": ("raise", "close"),
}


@dataclasses.dataclass(frozen=True)
class Program:
    kind: str
    protocol: str
    reactions: dict  # of a callback's name to what its calls do, in turn
    groups: list

    @property
    def cut(self):
        """Whether something may end the connection while some of what was written waits."""
        steps = {step for steps in self.reactions.values() for step in steps}
        names = {name for group in self.groups for name, *_ in group}
        return bool({"abort", "raise"} & steps or {"abort", "peer resets", "peer closes"} & names)

    @property
    def huge_writelines(self):
        return any(name == "writelines" and HUGE in args[0] for group in self.groups for name, *args in group)


def _calls(names):
    return st.tuples(st.sampled_from(names))


def _reading(protocols):
    return st.one_of(_calls(READING), st.tuples(st.just("set_protocol"), st.sampled_from(protocols)))


def _writing():
    size = st.sampled_from((*SMALL, HUGE))
    return st.one_of(
        st.tuples(st.just("write"), size, st.sampled_from((bytes, bytearray, memoryview))),
        # No empty chunk: asyncio of 3.12 and newer keeps it for ever, and the transport never closes.
        st.tuples(st.just("writelines"), st.lists(size.filter(bool), max_size=3)),
        st.tuples(st.just("set_write_buffer_limits"), st.sampled_from(LIMITS), st.sampled_from(LIMITS)),
        st.tuples(st.just("write"), st.just(None), st.just(str)),
        _calls(WRITING),
    )


def _alone(can):
    """Actions that are a group by themselves: their outcome shows when the loop has run."""
    choices = []
    if "writes" in can:
        choices.append(st.just(("peer reads",)))
    if "reads" in can:
        choices.append(st.just(("peer ends",)))
    choices.append(st.just(("peer closes",)))
    if "resets" in can:
        choices.append(st.just(("peer resets",)))
    return st.one_of(choices)


@st.composite
def programs(draw):
    kind = draw(st.sampled_from(sorted(KINDS)))
    can = KINDS[kind]
    protocols = PROTOCOLS if "writes" in can else PROTOCOLS[:1]  # a pipe reads for none but a plain one
    actions = [_calls(("close", "is_closing"))]
    if "reads" in can:
        actions += [_reading(protocols), st.tuples(st.just("peer sends"), st.sampled_from(SMALL[1:]))]
    if "writes" in can:
        actions += [_writing(), _writing()]
    group = st.one_of(st.lists(st.one_of(actions), min_size=1, max_size=3), st.tuples(_alone(can)).map(list))
    reactions = {
        name: draw(st.lists(st.sampled_from(("nothing", "nothing", *choices)), max_size=2))
        for name, choices in REACTIONS.items()
    }
    if sys.version_info < (
        3,
        11,
    ):  # asyncio begins to read after connection_made, whatever that has asked for
        reactions["connection_made"] = [
            step for step in reactions["connection_made"] if step != "pause_reading"
        ]
    if protocols == PROTOCOLS[:1]:
        reactions["data"] = [step for step in reactions["data"] if step not in PROTOCOLS]
    program = Program(kind, draw(st.sampled_from(protocols)), reactions, draw(st.lists(group, max_size=10)))
    if program.huge_writelines:
        reactions["pause_writing"], reactions["resume_writing"] = [], []  # see differences.py
    return program
