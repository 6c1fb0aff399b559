"""The one list of tests that are expected to fail, each with its reason.

A key is "test_FILE.py::test_name" with shell wildcards; parameters other than the loop may be matched
("test_tcp.py::test_x[*-large]"). Both lists are strict: an unexpected pass fails, and so does a key that
matches no test.
"""

# goloop does something else than asyncio, on purpose.
GOLOOP = {}

# asyncio itself does not keep the promise that the test describes: key -> (first Python, last Python, reason).
ASYNCIO = {
    "test_timers.py::test_timers_of_the_same_time_run_in_the_order_of_scheduling": (
        "3",
        "3",
        "asyncio's heap is not stable, and its documentation leaves the order open; goloop promises it",
    ),
    "test_scheduling.py::test_nested_run_forever_leaves_the_loop_running": (
        "3.13.0",
        "3.13.0",
        "the cleanup of the refused run_forever() also ends the outer one",
    ),
}
