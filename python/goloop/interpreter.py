"""Which interpreter of the process this is."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def is_main() -> bool:
    """Whether it is the main one: before Python 3.13, no other may import goloop."""
    if sys.version_info < (3, 13):
        return True
    interpreters: Any = importlib.import_module("_interpreters")
    return bool(interpreters.get_current() == interpreters.get_main())
