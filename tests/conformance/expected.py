"""The one list of tests that fail or skip on goloop and pass on asyncio's own loop.

A key is the name of a test, with shell wildcards; the value is the first and the last Python that it is about,
and the reason. The list is strict: an expected test that passes fails the run, and so does a key that matches no
test of its Pythons.

What asyncio's own loop fails or skips is not here; the run finds that out by itself.
"""

EXPECTED = {
    "test_base_events.BaseEventLoopWithSelectorTests.test_create_connection_bluetooth": (
        "3.10",
        "3.15",
        "open: a mocked socket",
    ),
    "test_base_events.BaseEventLoopWithSelectorTests.test_create_connection_i*": (
        "3.10",
        "3.15",
        "open: a mocked socket",
    ),
    "test_base_events.BaseEventLoopWithSelectorTests.test_create_connection_no_inet_pton": (
        "3.10",
        "3.15",
        "open: a mocked socket",
    ),
    "test_base_events.BaseEventLoopWithSelectorTests.test_create_connection_service_name": (
        "3.10",
        "3.15",
        "open: a mocked socket",
    ),
    "test_base_events.BaseEventLoopWithSelectorTests.test_create_server_soreuseport_only_defined": (
        "3.10",
        "3.15",
        "open: a mocked socket",
    ),
    "test_base_events.BaseEventLoopWithSelectorTests.test_log_slow_callbacks": (
        "3.10",
        "3.15",
        "open: a mocked logger",
    ),
    "test_events.EventLoopTests.test_internal_fds": ("3.10", "3.15", "open: _internal_fds"),
    "test_events.Test*GetEventLoop.test_get_event_loop_new_process": (
        "3.10",
        "3.11",
        "open: a child's set_event_loop with a watcher of the parent's",
    ),
    "test_futures2.*FutureTests.test_task_exc_handler_correct_context": (
        "3.12",
        "3.15",
        "open: who keeps the task alive",
    ),
    "test_sendfile.EventLoopTests.test_sendfile_not_supported": (
        "3.10",
        "3.15",
        "open: repr of a datagram transport",
    ),
    "test_server.UnixServerCleanupTests.test_unix_server_*_cleanup": (
        "3.13",
        "3.15",
        "open: close() of a Unix server leaves its path",
    ),
    "test_sock_lowlevel.EventLoopTests.test_sock_client_connect_racing": (
        "3.10",
        "3.15",
        "open: a second sock_connect in the turn that cancels the first",
    ),
    "test_unix_events.SelectorEventLoopUnixSockSendfileTests.test_sock_sendfile_blocking_error": (
        "3.10",
        "3.15",
        "open: loop._selector is empty",
    ),
    "test_unix_events.SelectorEventLoopUnixSockSendfileTests.test_sock_sendfile_cancel*": (
        "3.10",
        "3.15",
        "open: loop._selector is empty",
    ),
    "test_unix_events.SelectorEventLoopUnixSockSendfileTests.test_sock_sendfile_exception": (
        "3.10",
        "3.15",
        "open: loop._selector is empty",
    ),
    "test_unix_events.SelectorEventLoopUnixSockSendfileTests.test_sock_sendfile_os_error*": (
        "3.10",
        "3.15",
        "open: loop._selector is empty",
    ),
}
