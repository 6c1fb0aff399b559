"""Bad input ends as on asyncio, and never the process: see api_calls.py."""

import pathlib
import subprocess
import sys

import pytest

CALLS = 1_000  # of 10,000, so that each part is well inside the time limit of a test on a busy machine


@pytest.mark.goloop_only
@pytest.mark.parametrize("seed", range(1, 11))
def test_every_method_with_any_arguments_ends_as_on_asyncio(loop_name, seed):
    program = pathlib.Path(__file__).with_name("api_calls.py")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", program, str(CALLS), str(seed)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    assert int(done.stdout.split()[0]) >= CALLS
