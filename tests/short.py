"""What `make test` runs on some of the Pythons only; `make test FULL=1` runs all on each.

On the oldest and the newest Python: everything. On those between, and once more on the newest with poll in epoll's place and without
io_uring: the half of the tests that runs on goloop, for what asyncio does is known from the others, without those named
here. CPython's own asyncio tests (`make conformance-short`) run on each, on goloop; on asyncio's loop those that goloop does
not pass, for only there its answer decides.

A key is FILE::TEST, with wildcards, and with the reason why neither the Python nor the selector matters much.
"""

_PROGRAM = "programs that start, ask and end: what they do does not depend on the Python"
_BUILD = "what a build says and makes: setup.py is plain Python"

ONCE = {
    "test_cli.py::*": _PROGRAM,
    "test_cli_watching.py::*": _PROGRAM,
    "test_stuck.py::*": _PROGRAM,
    "test_build.py::*": _BUILD,
    "test_build_backend.py::*": _BUILD,
    "test_soak.py::*": "servers under load for seconds, which the other tests of hosts ask on each Python",
    "test_virtual_factories.py::*": "other projects' plugins, each with a pytest of its own",
    **dict.fromkeys(
        [f"test_api_calls.py::*-{seed}]" for seed in range(2, 11)],
        "the same with other seeds: one is enough to see that a Python converts arguments as the others do",
    ),
    "test_limits.py::*": "memory and threads that Go and the extension ask the system for: the same code for each Python",
    "test_selectors.py::test_cpythons_own_tests*": "the selectors are the engine's, and the tests CPython's of any version",
}
