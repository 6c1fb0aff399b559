"""Transports against asyncio's: generated programs run on both loops must look the same to protocol, caller and peer.

    python model.py --loop goloop:new_event_loop --seconds 60

Prints one line of JSON. Exits 1 with the smallest program that differs, and both traces. `--loop
asyncio:SelectorEventLoop` compares asyncio with itself, which shows what of a trace is left to chance.
"""

import argparse
import asyncio
import gc
import importlib
import json
import logging
import pathlib
import random
import sys
import time
import warnings

import hypothesis

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent))

import differences
from world import trace

from programs import programs

PATIENCE = (
    0.0005,
    0.02,
)  # seconds that a loop is given to come to rest; the second when the first shows a difference
EXAMPLES = 200  # of one run of Hypothesis


class Differs(AssertionError):
    pass


def compare(factory, program):
    if differences.left_out(program):
        return
    for patience in PATIENCE:
        expected = differences.of_asyncio(program, trace(asyncio.SelectorEventLoop, program, patience))
        normal = differences.of_asyncio if factory is asyncio.SelectorEventLoop else differences.of_goloop
        seen = normal(program, trace(factory, program, patience))
        if expected == seen:
            return
    lines = [f"asyncio  {list(map(str, expected))}", f"subject  {list(map(str, seen))}"]
    raise Differs("\n".join([f"{program}", *lines]))


def run(factory, seconds, seed):
    """Compare until the time is up; returns the number of programs, and the texts of those that differ."""
    until, count, failed, texts = time.monotonic() + seconds, 0, False, []

    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(programs())
    def check(program):
        nonlocal count, failed
        if time.monotonic() < until or failed:  # a program that differs is shrunk, however long that takes
            count += 1
            try:
                compare(factory, program)
            except Differs:
                failed = True
                raise

    while time.monotonic() < until and not texts:
        try:
            hypothesis.seed(seed + count)(check)()
        except Differs as exc:
            texts.append(str(exc))
    return count, texts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--loop", default="goloop:new_event_loop", metavar="MODULE:FACTORY")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    module, _, name = options.loop.partition(":")
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore", ResourceWarning)  # of transports that a program leaves open
    begun = time.monotonic()
    count, texts = run(getattr(importlib.import_module(module), name), options.seconds, seed)
    gc.collect()
    for text in texts:
        print(text, file=sys.stderr)
    seconds = round(time.monotonic() - begun, 1)
    print(
        json.dumps(
            {"loop": options.loop, "seconds": seconds, "programs": count, "differ": len(texts), "seed": seed}
        )
    )
    sys.exit(bool(texts))
