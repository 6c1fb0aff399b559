"""What a stress has counted, and which kind of fault an exception is."""

import re
import threading

FAULTS = ("crossed", "lost", "refused", "raised", "hangs")
_REFUSED = re.compile(
    r"is used by transport|is in use by|is not registered|already registered|File exists|Invalid file (object|descriptor)"
)
_SHOWN = 20  # faults of a kind whose text is kept


class Tally:
    """Counts of what went well and of what did not, with the texts of the first faults."""

    def __init__(self):
        self.links = 0
        self.exchanges = 0
        self.cut = 0
        self.posted = 0
        self.faults = dict.fromkeys(FAULTS, 0)
        self.texts = []
        self._lock = threading.Lock()

    def fault(self, kind, text):
        with self._lock:
            self.faults[kind] += 1
            if self.faults[kind] <= _SHOWN:
                self.texts.append(f"{kind}: {text}")

    def failed(self, what, exc):
        """Count an exception that nobody asked for."""
        text = f"{what}: {type(exc).__name__}: {exc}"
        if hasattr(exc, "kind"):
            self.fault(exc.kind, text)
        elif _REFUSED.search(str(exc)) or isinstance(exc, (FileExistsError, FileNotFoundError)):
            self.fault("refused", text)
        elif isinstance(exc, (ConnectionError, EOFError)):
            self.fault("lost", text)
        else:
            self.fault("raised", text)

    def reported(self, loop, context):
        """An exception handler of a loop: whatever it is told of is a fault.

        But for a future of asyncio's StreamReaderProtocol, whose __del__ takes the exception, and comes too late where
        the collector takes both at once.
        """
        if context["message"] == "Future exception was never retrieved":
            return
        if exc := context.get("exception"):
            self.failed(f"reported by the loop, {context['message']}", exc)
        else:
            self.fault("raised", f"reported by the loop: {context['message']}")

    @property
    def clean(self):
        return not any(self.faults.values())
