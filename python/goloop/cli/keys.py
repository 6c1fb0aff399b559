"""Keys from the terminal, one at a time."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from types import TracebackType


class Keys:
    """While it is entered, keys come without Enter and are not shown. Without a terminal none comes."""

    def __enter__(self) -> Keys:
        self._fd = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else -1
        if self._fd >= 0:
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._fd >= 0:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def wait(self, seconds: float) -> str:
        """The next key, lower case; empty when none comes in time."""
        readable, _, _ = select.select([self._fd] if self._fd >= 0 else [], [], [], seconds)
        if not readable:
            return ""
        typed = os.read(self._fd, 64).decode(errors="replace")
        return typed[:1].lower()
