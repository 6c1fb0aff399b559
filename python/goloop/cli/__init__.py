"""The commands of ``python -m goloop``; each is a module with ``add`` for its arguments and a function that returns the exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from . import health, info, running, stacks, top
from .answers import NoAnswer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status. 1: the command says on standard error what it could not do; 2: it is misspelt."""
    parser = argparse.ArgumentParser(
        prog="python -m goloop", description="Run a program on goloop, or look into one that runs."
    )
    parser.add_argument("--version", action="version", version=f"goloop {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (running, top, stacks, health, info):
        module.add(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.command(options))
    except NoAnswer as exc:
        print(f"goloop: {exc}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        if options.command is running.run:
            raise  # the program's own
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that flushing says nothing at the end
        return 1
