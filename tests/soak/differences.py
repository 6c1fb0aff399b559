"""Where two right loops may differ in a trace: the one list of what the model does not compare, each with its reason."""

from programs import HUGE


def _peer_fails(event):
    """What the peer cannot do after a reset, and can after an end; see _end_or_reset."""
    return event[0].startswith("peer") and "raises" in event


def _callback_names(event):
    """What the loop calls by itself has names of its own: "Exception in callback _UnixReadPipeTransport._call…()"."""
    if event[0] == "reported" and event[1].startswith("Exception in callback "):
        return ("reported", "Exception in callback", *event[2:])
    return event


def _end_or_reset(program, events):
    """The kernel tells the peer of an end or of a reset, depending on whether bytes had come that nobody will read when
    the socket was closed. goloop's may be closed some turns earlier or later, and may have read them before. A reset
    takes with it what the peer has not read yet, and an end that is no close() what the kernel had no room for."""
    unread = program.cut
    for event in events:
        unread = unread or event[0] == "peer sends to a closing transport"
        if event[:2] in (("peer has read", "reset"), ("peer has read", "end")):
            yield ("peer has read", "end", *(event[2:] if not unread else ()))
        else:
            yield event


def _texts(event):
    """asyncio's writelines() calls write() until 3.11, and its errors say so."""
    if event[0] == "writelines" and "raises" in event:
        return (*event[:-1], event[-1].replace("writelines()", "write()"))
    return event


def _much(event):
    """How much of what does not fit the kernel takes depends on the pieces in which it is sent."""
    if event[0] == "get_write_buffer_size" and event[1] > HUGE // 4:
        return ("get_write_buffer_size", "much")
    return event


def _pauses(event):
    """writelines() of asyncio 3.12.0 to 3.13.1 does not look at the limits."""
    return event[0] in ("pause_writing", "resume_writing")


def of_any(program, events):
    if program.huge_writelines:
        events = [event for event in events if not _pauses(event)]
    return [
        _much(_callback_names(event)) for event in _end_or_reset(program, events) if not _peer_fails(event)
    ]


def _call_after_the_end(event):
    """Some methods of asyncio's transports fail with errors of their own once the connection is lost, where write() and
    others ignore the call: writelines() of 3.12 and newer, abort() of a pipe."""
    return "raises" in event and str(event[-1]).startswith("'NoneType' object ")


def _second_end(event):
    """asyncio ends a transport twice when abort() follows the close() of a writing pipe, and until 3.13 when
    resume_writing() closes it."""
    return event == ("reported", "Exception in callback", "AttributeError")


def _write_eof_after_a_reset(event):
    """asyncio lets the OSError of shutdown(2) out of write_eof(); goloop's engine shuts down later, and tells nobody of
    what the next read or write will tell."""
    return event[0] == "write_eof" and "OSError" in event


def left_out(program):
    """asyncio that reads again after an end, as resume_reading() has it, tells the same end again, and may close then."""
    names = [name for group in program.groups for name, *_ in group]
    return "peer ends" in names and "resume_reading" in names[names.index("peer ends") :]


def of_asyncio(program, events):
    faults = (_call_after_the_end, _second_end, _write_eof_after_a_reset)
    return [event for event in of_any(program, events) if not any(fault(event) for fault in faults)]


def of_goloop(program, events):
    return of_any(program, events)
