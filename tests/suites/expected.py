"""The one list of tests of the suites that pass on asyncio's own loop and not on goloop, with reasons.

A key is SUITE::name with shell wildcards. The list is strict: an expected test that passes fails the run, and so does a
key that matches no test. What asyncio's own loop fails or skips is not here: the run finds that out by itself.
"""

_PATCHED = "patches asyncio.Transport.get_extra_info, which goloop's transports do not inherit"
EXPECTED: dict[str, str] = {
    "websockets::tests/asyncio/test_connection.py::*ConnectionTests::test_local_address": _PATCHED,
    "websockets::tests/asyncio/test_connection.py::*ConnectionTests::test_remote_address": _PATCHED,
}
