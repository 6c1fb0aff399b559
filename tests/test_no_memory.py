"""Calls of the extension that find no memory: an exception or the right result, see nomemory/run.py.

Here a part of them, for a few seconds; ``make test-nomemory`` goes through all.
"""

import subprocess
import sys

import pytest

STEPS = {"many_timers": 97, "serve": 3, "serve_unix": 7, "streams": 7, "write": 3, "pipes": 5, "child": 7}
OPERATIONS = [
    *(
        [
            "make_loop",
            "schedule",
            "many_timers",
            "watch",
            "sockets",
            "receive",
            "receive_buffered",
            "end_of_file",
            "write",
            "serve",
            "serve_unix",
        ]
    ),
    *(
        [
            "streams",
            "pipes",
            "datagrams",
            "names",
            "child",
            "clock",
            "close",
            "encrypted",
            "flow_control",
            "datagrams_by_path",
        ]
    ),
]


@pytest.fixture(scope="module")
def starved(tmp_path_factory):
    """A folder with a copy of goloop whose calls can be made to fail."""
    folder = tmp_path_factory.mktemp("starved")
    subprocess.run([sys.executable, "nomemory/run.py", "--build", folder], check=True, timeout=25)
    return folder


@pytest.mark.goloop_only
@pytest.mark.linux_only
@pytest.mark.parametrize("operation", OPERATIONS)
def test_calls_that_find_no_memory(loop_name, starved, operation):
    width = 1 + 2 * (OPERATIONS.index(operation) % 2)  # with three, the path of the error fails as well
    step = STEPS.get(operation, 2)
    command = [sys.executable, "nomemory/run.py", operation, f"--package={starved}", f"--width={width}"]
    command += [f"--step={step}", "--seconds=0.4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=25)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
