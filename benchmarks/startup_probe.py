"""Times one fresh start: ``python -m startup_probe MODULE:FACTORY``. Prints one line of JSON, in seconds.

It is no part of a package, and imports nothing that asyncio would otherwise have to import itself.
"""

import sys
import time

import loopspec

spec = sys.argv[1]
cpu0, t0 = time.process_time(), time.perf_counter()
import asyncio  # noqa: E402, F401  # what is timed

make = loopspec.factory(spec)
t1, cpu1 = time.perf_counter(), time.process_time()


async def nothing() -> None:
    """The smallest program."""


loop = make()
loop.run_until_complete(nothing())
loop.close()
t2, cpu2 = time.perf_counter(), time.process_time()
loopspec.check(loop, spec)

import json  # noqa: E402

print(json.dumps({"import": t1 - t0, "import_cpu": cpu1 - cpu0, "first": t2 - t1, "first_cpu": cpu2 - cpu1}))
