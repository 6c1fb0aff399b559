"""What a loop takes from the process: descriptors, threads, wake-ups."""

import contextlib
import gc
import os
import time

import psutil
import pytest

from protocols import Echo, Recorder


def test_closed_loops_give_their_descriptors_back(loop_factory):
    process = psutil.Process()
    loop_factory().close()
    gc.collect()
    before = process.num_fds()
    for _ in range(50):
        loop = loop_factory()
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
    assert process.num_fds() == before


def test_closed_connections_give_their_descriptors_back(loop, run):
    process = psutil.Process()

    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        counts = []
        for _ in range(30):
            transport, protocol = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
            transport.write(b"x")
            await protocol.received(1)
            transport.close()
            await protocol.lost()
            counts.append(process.num_fds())
        server.close()
        return counts

    counts = run(main())
    assert counts[-1] <= counts[0] + 1  # the server's end of the last one may be closed a turn later


def test_loops_do_not_add_a_thread_each(loop_factory):
    process = psutil.Process()
    loops = [loop_factory()]
    loops[0].call_soon(loops[0].stop)
    loops[0].run_forever()
    before = process.num_threads()
    loops += [loop_factory() for _ in range(50)]
    for loop in loops:
        loop.call_soon(loop.stop)
        loop.run_forever()
    assert process.num_threads() <= before + 4  # a runtime may add a few, for all the loops together
    for loop in loops:
        loop.close()


@pytest.mark.linux_only
def test_descriptors_of_a_loop_are_not_inherited_by_programs(loop):
    before = set(os.listdir("/proc/self/fd"))
    loop.stop()
    loop.run_forever()
    kinds = {}
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the descriptor of the listing itself
            kinds[int(fd)] = os.readlink(f"/proc/self/fd/{fd}")
    own = [
        fd for fd, kind in kinds.items() if "eventpoll" in kind or "eventfd" in kind or str(fd) not in before
    ]
    assert own
    assert not [kinds[fd] for fd in own if os.get_inheritable(fd)]


def switches(pid):
    """How often the threads of the process have gone to sleep."""
    return sum(thread_switches(pid))


def thread_switches(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as status:
            yield next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))


@pytest.mark.linux_only
def test_idle_loop_makes_no_wake_ups(script):
    process = script.start("""
        loop = new_event_loop()
        loop.run_until_complete(loop.getaddrinfo("localhost", 1))
        ours, peer = socket.socketpair()
        loop.add_reader(ours, print)
        loop.call_later(1000, print)
        loop.call_later(0.1, print, "ready")
        loop.run_forever()
    """)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)  # what the loop starts with has come to rest
    before = switches(process.pid)
    time.sleep(2)  # wake-ups in two seconds are what is counted
    assert switches(process.pid) - before < 10
