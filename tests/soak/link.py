"""A link: one connection whose two ends talk, and the talk of each."""

import asyncio

from message import Fault, Inbox, message

SIZES = ((0, 60), (0, 60), (200, 4000), (200, 4000), (60_000, 70_000), (100_000, 300_000))
DATAGRAMS = ((0, 60), (200, 1400), (1400, 40_000))


class Link:
    """What the sides of a connection have agreed on. `cut` is set before anything ends it early."""

    def __init__(self, number, carrier, rng, sizes=SIZES, window=8):
        self.number, self.carrier, self.rng = number, carrier, rng
        self.messages = rng.randrange(1, 30)
        self.window = rng.randrange(1, window + 1)
        self.half = rng.random() < 0.3
        self.cut = False
        self.ends = []  # those that are there
        self.joined = False  # the answering side has heard of it
        self.started = 0.0
        self.tasks = set()
        self.server = None
        self._range = rng.choice(sizes)

    def size(self):
        return self.rng.randrange(*self._range)

    def __repr__(self):
        state = " cut" * self.cut + " half" * self.half + " joined" * self.joined
        server = f" by {self.server}" if self.server else ""
        return f"link {self.number} ({self.carrier}{server}{state}, {self.messages} messages)"


async def ask(link, end, tally):
    """Send all messages, some at once, and hear an answer to each."""
    inbox, window = Inbox(link.number, 1), asyncio.Semaphore(link.window)

    async def send():
        for serial in range(link.messages):
            await window.acquire()
            last = serial + 1 == link.messages
            await end.write(message(link.number, 0, serial, link.size(), last))
        if link.half:
            end.half_close()

    sending = asyncio.ensure_future(send())
    try:
        while not inbox.last:
            data = await end.read()
            if not data:
                raise EOFError(f"after {inbox.serial} of {link.messages} answers")
            for _ in range(inbox.feed(data)):
                tally.exchanges += 1
                window.release()
        await sending
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def answer(link, end, find):
    """Answer each message. `find` gives the link that the first one names, when `link` is None."""
    inbox, serial = Inbox(link and link.number, 0), 0
    while not inbox.last:
        data = await end.read()
        if not data:
            raise EOFError(f"after {inbox.serial} messages")
        complete = inbox.feed(data)
        if link is None and inbox.link is not None:
            link = find(inbox.link)
        for left in range(complete - 1, -1, -1):
            await end.write(message(inbox.link, 1, serial, link.size(), inbox.last and not left))
            serial += 1
    if link.half and end.half_close():
        while data := await end.read():
            raise Fault("lost", f"{link} has bytes behind its last message: {data[:48]!r}")
