"""Messages that name their connection, and the check that what comes belongs to it and is next in order."""

import struct

_HEAD = struct.Struct("<4sIBBHII")  # mark, link, direction, last, 0, serial, size
_MARK = b"\xc7SK\xa5"
HEAD = _HEAD.size


class Fault(Exception):
    """What a receiver finds wrong; `kind` is "crossed" or "lost"."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind = kind


def message(link, direction, serial, size, last=False):
    """A head and `size` bytes more, all of them made of the head, so that any piece tells whose it is."""
    head = _HEAD.pack(_MARK, link, direction, last, 0, serial, size)
    return (head * (size // HEAD + 2))[: HEAD + size]


def sender(data):
    """The link that a piece of a message names, or None."""
    at = data.find(_MARK)
    if at < 0 or at + HEAD > len(data):
        return None
    return _HEAD.unpack_from(data, at)[1]


class Inbox:
    """One direction of one link: bytes go in, messages come out, each the next in order.

    A link of None is learned from the first message.
    """

    def __init__(self, link, direction):
        self.link = link
        self.direction = direction
        self.serial = 0  # of the next message
        self.last = False  # the last message has come
        self._held = bytearray()

    def feed(self, data):
        """Returns how many messages are complete.

        Raises:
            Fault: bytes of another link, or a gap, or a repetition.
        """
        held = self._held
        held += data
        complete = 0
        while len(held) >= HEAD:
            mark, link, direction, last, _, serial, size = _HEAD.unpack_from(held)
            if self.link is None and mark == _MARK:
                self.link = link
            if (mark, link, direction, serial) != (
                _MARK,
                self.link,
                self.direction,
                self.serial,
            ) or self.last:
                self._fail(held)
            expected = message(link, direction, serial, size, bool(last))
            if not expected.startswith(held[: len(expected)]):
                self._fail(held)
            if len(held) < len(expected):
                break
            del held[: len(expected)]
            self.serial += 1
            self.last = bool(last)
            complete += 1
        return complete

    def _fail(self, held):
        other = sender(held)
        kind = "lost" if other in (None, self.link) else "crossed"
        raise Fault(
            kind,
            f"link {self.link} direction {self.direction} waits for message {self.serial}"
            f"{' no more' if self.last else ''} and gets bytes of {other}: {bytes(held[:48])!r}",
        )
