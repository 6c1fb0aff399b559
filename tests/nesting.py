"""Entering a running loop again, in the two ways in which programs do."""

import asyncio
import heapq


def by_turns(loop):
    """The loop's own turn, one."""
    loop._run_once()


def by_handles(loop):
    """A turn in Python, as nest_asyncio takes it: the selector, then what is in the queue of handles."""
    ready, scheduled = loop._ready, loop._scheduled
    while scheduled and scheduled[0].cancelled():
        heapq.heappop(scheduled)._scheduled = False
    timeout = None
    if ready or loop._stopping:
        timeout = 0
    elif scheduled:
        timeout = max(0, scheduled[0].when() - loop.time())
    loop._process_events(loop._selector.select(timeout))
    end = loop.time() + loop._clock_resolution
    while scheduled and scheduled[0].when() < end:
        handle = heapq.heappop(scheduled)
        handle._scheduled = False
        ready.append(handle)
    for _ in range(len(ready)):
        if not ready:
            break
        handle = ready.popleft()
        if not handle.cancelled():
            handle._run()


WAYS = [by_turns, by_handles]


def run_nested(loop, turn, future):
    """loop.run_until_complete() inside a callback of the same loop."""
    future = asyncio.ensure_future(future, loop=loop)
    outer = asyncio.current_task(loop)
    if outer is not None:
        asyncio.tasks._leave_task(loop, outer)
    try:
        while not future.done():
            turn(loop)
    finally:
        if outer is not None:
            asyncio.tasks._enter_task(loop, outer)
    return future.result()
