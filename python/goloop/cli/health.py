"""``health``: whether a process's loops go on, for a probe that has no curl."""

from __future__ import annotations

import argparse
import sys
from typing import Any
from urllib.parse import quote

from .answers import NoAnswer
from .finding import find


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "health",
        help="whether a process's loops go on",
        description="Ask for /healthz. The status is 0 when all loops go on, and 1 when one is stuck or nobody answers.",
    )
    parser.add_argument(
        "target", metavar="PID|PATH|HOST:PORT", help="a process, or where its endpoint listens"
    )
    parser.add_argument(
        "--stuck", metavar="SECONDS", help="from when on a loop is stuck; else as the process says"
    )
    parser.set_defaults(command=show)


def show(options: argparse.Namespace) -> int:
    """Say so. Raises NoAnswer."""
    asked = f"?stuck={quote(options.stuck)}" if options.stuck else ""
    endpoint = find(options.target)
    status, body = endpoint.ask(f"/healthz{asked}")
    text = body.decode(errors="replace").strip()
    if status not in (200, 503):
        raise NoAnswer(f"{endpoint.address} answers {status}: {text}")
    print(text, file=sys.stdout if status == 200 else sys.stderr)
    return 0 if status == 200 else 1
