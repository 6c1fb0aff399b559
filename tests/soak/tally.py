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
        self.children = 0
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

    def add(self, other):
        """Add what another one has counted."""
        for name in ("links", "exchanges", "cut", "posted", "children"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, count in other.faults.items():
            self.faults[kind] += count
        self.texts += other.texts[: max(0, 5 * _SHOWN - len(self.texts))]


def figures(loop_name, tally, meters, seconds):
    descriptors, memory = meters.leaks()
    return {
        "loop": loop_name,
        "seconds": round(seconds, 1),
        "links": tally.links,
        "cut": tally.cut,
        "exchanges": tally.exchanges,
        "posted": tally.posted,
        **tally.faults,
        "descriptors": descriptors,
        "memory_kib": memory >> 10,
        "resident_kib": meters.memory[-1] >> 10,
    }
