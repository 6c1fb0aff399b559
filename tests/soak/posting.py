"""Calls from any thread into a loop that may be closing: each that was taken is counted, and must come, in order."""

import asyncio
import concurrent.futures
import threading


class Letterbox:
    """The calls into one loop. Any thread posts; the loop's own receives, shuts, and waits for what is under way."""

    def __init__(self, loop, fault):
        self.loop = loop
        self.came = 0
        self._fault = fault  # (kind, text)
        self._open = True
        self._sent = {}  # by sender: how many it has sent, in a list of its own that nobody else writes
        self._last = {}  # by sender: the number of its last call that came

    @property
    def sent(self):
        return sum(cell[0] for cell in list(self._sent.values()))

    def post(self, function, *args):
        """Call the function in the loop; returns whether the loop took it, which one that shuts does not."""
        sender = threading.get_ident()
        cell = self._sent.get(sender)
        if cell is None:
            cell = self._sent[sender] = [0]
        cell[0] += 1  # before the look: shut() waits for it, or we see that it has shut
        if not self._open:
            cell[0] -= 1
            return False
        self.loop.call_soon_threadsafe(self._receive, sender, cell[0], function, args)
        return True

    def _receive(self, sender, number, function, args):
        self.came += 1
        last = self._last.get(sender, 0)
        if number != last + 1:
            self._fault("lost", f"call {number} of {sender} came after {last}")
        self._last[sender] = number
        function(*args)

    def ask(self, coroutine_function, *args, limit):
        """run_coroutine_threadsafe; returns the result, or None when the loop shuts."""
        answer = concurrent.futures.Future()

        async def call():
            return await coroutine_function(*args)

        def start():
            task = asyncio.ensure_future(call())
            task.add_done_callback(
                lambda task: answer.cancel() if task.cancelled() else answer.set_result(task.result())
            )

        return answer.result(limit) if self.post(start) else None

    def shut(self):
        self._open = False

    async def emptied(self, limit):
        """Wait until all that was sent has come; a fault says what has not."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit
        while self.came != self.sent:
            if loop.time() > deadline:
                self._fault("lost", f"{self.sent} calls were posted, and {self.came} came")
                return
            await asyncio.sleep(0.001)
