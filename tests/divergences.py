"""The one list of tests that are expected to fail, each with its reason.

A key is "test_FILE.py::test_name" with shell wildcards; parameters other than the loop may be matched
("test_tcp.py::test_x[*-large]"). Both lists are strict: an unexpected pass fails, and so does a key that
matches no test.
"""

# goloop does something else than asyncio, on purpose.
GOLOOP = {
    "test_bad_input.py::test_bad_loop_call_fails_as_in_asyncio[*call_soon with bad context]": (
        "a context that is none is a TypeError that says so; asyncio's AttributeError misses a method 'run'"
    ),
    "test_runs.py::test_tasks_of_a_shutdown_have_numbers_of_their_own": (
        "a shutdown of nothing makes no task, which would take a number"
    ),
    "test_signals.py::test_sigprof_that_the_program_blocks_stays_pending": (
        "threads of Go's runtime never block SIGPROF, so one of them takes it, and its default ends the process"
    ),
}

# asyncio itself does not keep the promise that the test describes: key -> (first Python, last Python, reason).
_LOST = (
    "asyncio takes what has come in a callback and leaves it in a future, which a task that is cancelled meanwhile "
    "never asks"
)
_CUT = "asyncio tells a connection that was cut within a TLS record as a clean end"
_UNREAD = (
    "what was received before start_tls stays in the reader, and is read after it as if it had come encrypted"
)
_POSITION = "asyncio's fallback seeks for an offset other than 0 only"
_COPIES = "asyncio has no one context for a connection: each callback has that of whoever caused it (sockets: until 3.15)"
_PIPES = "asyncio ends wait() when all pipes are at their end, which may be never"
_MODIFIES = (
    "asyncio's selector changes the registration of what is closed: FileNotFoundError, and again it works"
)
_LEAKS = "asyncio lets go of what it has opened or was given, and the collector closes it"
_FULL = "asyncio takes EAGAIN of connect(2) for a connection under way, and says that there is one"
_UNNAMED = "asyncio takes a peer without a name for none: TypeError, and the transport ends"
_ITEMS = "asyncio counts the items of a buffer where the system counts bytes"
ASYNCIO = {
    "test_next_owner.py::test_transport_whose_socket_is_closed_while_it_is_full_ends_at_the_next_write": (
        "3",
        "3",
        "asyncio queues what is written behind other bytes, and never looks at the socket again",
    ),
    "test_unix.py::test_connection_waits_for_a_server_that_has_no_room": ("3", "3", _FULL),
    "test_unix.py::test_wait_for_a_server_that_has_no_room_ends_with_it": ("3", "3", _FULL),
    "test_datagram_addresses.py::test_peer_without_a_name": ("3", "3", _UNNAMED),
    "test_connecting_literals.py::test_factory_that_raises_closes_the_connection": ("3.10", "3.13", _LEAKS),
    "test_datagram_addresses.py::test_socket_that_is_connected_later": ("3", "3", _UNNAMED),
    "test_factories.py::test_factory_of_a_connection": ("3.10", "3.13", _LEAKS),
    "test_factories.py::test_factory_of_a_connection_over_what_has_no_number": ("3.10", "3.13", _LEAKS),
    "test_factories.py::test_factory_of_a_unix_connection[*-socket]": ("3.10", "3.13", _LEAKS),
    "test_factories.py::test_factory_of_a_datagram_endpoint": ("3", "3", _LEAKS),
    "test_factories.py::test_socket_that_a_transport_uses_stays_open": (
        "3.10",
        "3.11",
        "asyncio makes a second transport, which takes the readability from the first",
    ),
    "test_factories.py::test_socket_that_a_transport_uses_stays_open[*]": (
        "3.14",
        "3",
        "asyncio closes a socket that another transport uses",
    ),
    "test_factories.py::test_factory_of_a_pipe": ("3", "3", _LEAKS),
    "test_next_owner.py::test_next_owner_of_a_watched_number_can_be_watched": ("3", "3", _MODIFIES),
    "test_next_owner.py::test_removing_a_closed_socket_leaves_the_reader_of_the_next_owner": (
        "3",
        "3",
        _MODIFIES,
    ),
    "test_next_owner.py::test_number_that_dup2_gives_to_another_file": ("3", "3", _MODIFIES),
    "test_next_owner.py::test_file_that_is_closed_while_it_is_watched_can_be_removed": (
        "3",
        "3",
        "asyncio asks a file for its number before it looks for the file, and cannot get rid of one that is closed",
    ),
    "test_timers.py::test_timers_of_the_same_time_run_in_the_order_of_scheduling": (
        "3",
        "3",
        "asyncio's heap is not stable, and its documentation leaves the order open; goloop promises it",
    ),
    "test_write.py::test_bytearray_may_change_after_a_write_that_had_to_wait": (
        "3.12",
        "3.15",
        "asyncio keeps a view of the caller's buffer since 3.12, so that a later change is sent; goloop copies as 3.11",
    ),
    "test_datagram.py::test_sendto_of_a_free_socket_after_the_end_is_ignored": (
        "3",
        "3",
        "asyncio fails with an AttributeError of its own; goloop ignores it as on a connected socket",
    ),
    "test_flow_control.py::test_pause_in_connection_made_holds_the_first_data": (
        "3.10",
        "3.10",
        "asyncio of 3.10 starts reading after connection_made without looking whether it was paused",
    ),
    "test_flow_control.py::test_close_in_resume_writing_loses_the_connection_once": (
        "3.10",
        "3.13",
        "asyncio calls connection_lost twice, and reports the failure of the second",
    ),
    "test_pipes.py::test_closed_file_is_refused": (
        "3",
        "3",
        "asyncio warns of the transport that it did not make, and fails to close it",
    ),
    "test_scheduling.py::test_nested_run_forever_leaves_the_loop_running": (
        "3.13.0",
        "3.13.0",
        "the cleanup of the refused run_forever() also ends the outer one",
    ),
    "test_subprocess.py::test_signal_to_a_dead_child_does_not_lose_its_status": (
        "3.10",
        "3.12",
        "Popen.send_signal takes the status of a dead child from the watcher, which then reports 255",
    ),
    "test_subprocess.py::test_signal_after_the_exit_while_pipes_are_open_goes_nowhere": (
        "3.13",
        "3.13",
        "asyncio calls os.kill with a pid that has been reaped",
    ),
    "test_sock_cancel.py::test_sock_recv_cancelled_when_data_have_come_leaves_them": (
        "3",
        "3",
        _LOST,
    ),
    "test_sock_cancel.py::test_sock_recv_into_cancelled_when_data_have_come_leaves_them": (
        "3",
        "3",
        _LOST,
    ),
    "test_sock_cancel.py::test_sock_recvfrom_cancelled_when_a_datagram_has_come_leaves_it": (
        "3",
        "3",
        _LOST,
    ),
    "test_sock_cancel.py::test_sock_accept_cancelled_when_a_connection_has_come_leaves_it": (
        "3",
        "3",
        _LOST,
    ),
    "test_tls_life.py::test_last_records_fill_a_bytearray_to_its_end": (
        "3.11",
        "3.15",
        "asyncio fills a slice of the bytearray that get_buffer returned, which is a copy, and leaves a gap of zeros",
    ),
    "test_sendfile.py::test_sendfile_of_a_transport_that_closes_fails": (
        "3",
        "3",
        "asyncio's sendfile then waits for ever, and connection_lost reports an InvalidStateError",
    ),
    "test_sendfile.py::test_sock_sendfile_that_is_cancelled_tells_how_far_it_came": (
        "3",
        "3",
        "asyncio leaves the file's position where it was, against its own documentation",
    ),
    "test_context.py::test_client_has_one_context_a_copy_of_its_makers": (
        "3.10",
        "3.14",
        _COPIES,
    ),
    "test_context.py::test_close_in_another_context_changes_nothing": (
        "3.10",
        "3.14",
        _COPIES,
    ),
    "test_context.py::test_resume_writing_runs_in_the_context_of_the_connection": (
        "3.10",
        "3.14",
        _COPIES,
    ),
    "test_context.py::test_reading_that_a_task_resumes_stays_in_the_context_of_the_connection": (
        "3.10",
        "3.14",
        _COPIES,
    ),
    "test_context.py::test_error_of_writing_is_told_in_the_context_of_the_connection": (
        "3.10",
        "3.14",
        _COPIES,
    ),
    "test_context.py::test_each_connection_of_a_server_has_a_copy_of_its_context": (
        "3.10",
        "3.14",
        _COPIES,
    ),
    "test_context.py::test_tls_that_a_task_resumes_stays_in_the_context_of_the_connection[*-before the resume]": (
        "3",
        "3",
        "what waits in the TLS layer is delivered by a callback of whoever resumes",
    ),
    "test_context.py::test_tls_that_a_task_resumes_stays_in_the_context_of_the_connection[*-after the resume]": (
        "3.10",
        "3.10",
        _COPIES,
    ),
    "test_datagram_flow.py::test_resume_writing_runs_in_the_context_of_the_endpoint": (
        "3",
        "3",
        _COPIES,
    ),
    "test_context.py::test_datagrams_come_in_the_context_of_the_endpoint": (
        "3",
        "3",
        _COPIES,
    ),
    "test_context.py::test_reading_end_of_a_pipe_has_one_context": (
        "3",
        "3",
        _COPIES,
    ),
    "test_context.py::test_writing_end_of_a_pipe_has_one_context": (
        "3",
        "3",
        _COPIES,
    ),
    "test_context.py::test_terminal_whose_other_side_goes_has_one_context": (
        "3",
        "3",
        _COPIES,
    ),
    "test_accepting.py::test_connection_whose_making_was_put_off_by_stop_ends_with_its_server": (
        "3",
        "3",
        "asyncio makes it in the next run, though nobody wants it any more; wait_closed() waits for it from 3.12 on",
    ),
    "test_sendfile.py::test_sendfile_begins_at_its_offset_wherever_the_file_stands[*-True*]": (
        "3",
        "3.13",
        _POSITION,
    ),
    "test_sendfile.py::test_sock_sendfile_of_a_file_in_memory_begins_at_its_offset": (
        "3",
        "3.13",
        _POSITION,
    ),
    "test_tls_upgrades.py::test_hello_that_came_with_the_line_before_it_begins_the_handshake": (
        "3",
        "3.13.5",
        _UNREAD,
    ),
    "test_tls_upgrades.py::test_hello_in_the_reader_begins_the_handshake_of_the_loops_start_tls": (
        "3",
        "3.13.5",
        _UNREAD,
    ),
    "test_tls_upgrades.py::test_commands_in_the_clear_are_not_read_after_the_upgrade": (
        "3",
        "3.13.5",
        _UNREAD,
    ),
    "test_tls_upgrades.py::test_answers_in_the_clear_are_not_read_after_the_upgrade": (
        "3",
        "3",
        "a client of asyncio reads them as if they had come encrypted",
    ),
    "test_tls_ends.py::test_end_within_a_record_is_an_error": (
        "3",
        "3",
        _CUT,
    ),
    "test_tls_ends.py::test_end_within_a_record_that_comes_while_reading_is_paused": (
        "3",
        "3",
        _CUT,
    ),
    "test_tls_ends.py::test_stream_reader_raises_at_an_end_within_a_record": (
        "3",
        "3",
        _CUT,
    ),
    "test_accepting.py::test_connection_accepted_in_the_turn_of_stop_ends_with_its_server": (
        "3.13",
        "3",
        "the finaliser that is to close what asyncio could not make fails with a TypeError of its own",
    ),
    "test_accepting.py::test_connections_whose_factory_closes_the_server_are_closed": (
        "3.13",
        "3",
        "the finaliser that is to close what asyncio could not make fails with a TypeError of its own",
    ),
    "test_child_ends.py::test_wait_ends_with_the_child_while_a_grandchild_holds_a_pipe": (
        "3.11",
        "3.13.5",
        _PIPES,
    ),
    "test_child_ends.py::test_wait_ends_with_the_child_while_nobody_reads_what_it_wrote": (
        "3.11",
        "3.13.5",
        _PIPES,
    ),
    "test_child_ends.py::test_start_that_is_cut_short_ends_and_leaves_nothing[*-cancel_all]": (
        "3.10",
        "3",
        _PIPES,
    ),
    "test_child_ends.py::test_start_that_is_cut_short_ends_and_leaves_nothing[*-cancel_pipes]": (
        "3",
        "3",
        "asyncio waits for ever for pipes whose task was cancelled before it began",
    ),
    "test_child_ends.py::test_child_that_outlives_its_loop_is_reaped": (
        "3",
        "3",
        "asyncio forgets a child with its loop, which closes the pidfd",
    ),
    "test_child_ends.py::test_close_does_not_take_the_status_of_a_child_that_has_ended": (
        "3",
        "3",
        "asyncio's close() asks Popen, which reaps the child behind the back of the child watcher",
    ),
    "test_delivery.py::test_exit_out_of_resume_writing_ends_no_close": (
        "3",
        "3",
        "an exit out of resume_writing keeps asyncio from closing the transport for ever",
    ),
    "test_delivery.py::test_tls_goes_on_after_exits[*-data_received-1]": (
        "3.11",
        "3.15",
        "an exit out of data_received has asyncio forget the close_notify behind the record",
    ),
    **{
        f"test_delivery.py::test_tls_goes_on_after_exits[*-{kind}]": (
            "3.11",
            "3.15",
            "an exit out of get_buffer leaves what TLS has received to lie until more comes",
        )
        for kind in ("get_buffer-1", "get_buffer-20", "get_buffer at first-1")
    },
    "test_wide_buffers.py::test_sock_sendall": ("3", "3", _ITEMS),
    "test_wide_buffers.py::test_sock_sendall_of_an_array": ("3", "3", _ITEMS),
    "test_wide_buffers.py::test_sock_sendto_and_recvfrom_into": ("3", "3", _ITEMS),
    "test_wide_buffers.py::test_stream[*-writelines]": ("3.12", "3.15", _ITEMS),
}
