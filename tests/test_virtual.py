"""goloop.testing: timers jump, I/O is real."""

import asyncio
import gc
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

pytestmark = pytest.mark.goloop_only

HOUR = 3600.0


@pytest.fixture
def virtual():
    """Makes virtual loops; closed at the end."""
    from goloop import testing

    opened = []

    def virtual(**options):
        opened.append(testing.virtual_loop(**options))
        return opened[-1]

    yield virtual
    for loop in opened:
        if not loop.is_closed():
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
    opened.clear()
    gc.collect()


@pytest.fixture
def vloop(virtual):
    return virtual()


@pytest.fixture
def took():
    """Real seconds since the test began."""
    began = time.monotonic()
    return lambda: time.monotonic() - began


# ---- timers ----


def test_sleep_of_hours_ends_at_once_and_the_clock_says_so(vloop, took):
    async def main():
        for number in range(1, 1001):
            await asyncio.sleep(HOUR)
            assert vloop.time() == number * HOUR

    vloop.run_until_complete(main())
    assert took() < 5


def test_clock_begins_where_it_is_told(virtual):
    assert virtual().time() == 0
    assert virtual(start=5.5).time() == 5.5


def test_timers_fire_in_order_and_those_of_one_instant_as_they_were_scheduled(vloop):
    calls = []
    for name in range(100):
        vloop.call_at(7, calls.append, ("same", name))
    for delay in (9, 3, 5.5, 1e-6):
        vloop.call_later(delay, lambda: calls.append(vloop.time()))
    vloop.call_later(4, calls.append, "cancelled").cancel()
    vloop.run_until_complete(asyncio.sleep(10))
    assert calls == [1e-6, 3, 5.5, *(("same", name) for name in range(100)), 9]


def test_callbacks_that_are_ready_take_no_time(vloop):
    """A hundred turns come before a timer of a microsecond."""
    log = []

    async def spins():
        for _ in range(100):
            await asyncio.sleep(0)
        log.append(("spun", vloop.time()))

    async def sleeps():
        await asyncio.sleep(1e-6)
        log.append(("slept", vloop.time()))

    async def main():
        await asyncio.gather(sleeps(), spins())

    vloop.run_until_complete(main())
    assert log == [("spun", 0), ("slept", 1e-6)]


def test_callbacks_without_an_end_let_timers_fire_late(vloop, took):
    async def main():
        sleeping = asyncio.ensure_future(asyncio.sleep(0.01))
        while not sleeping.done():
            await asyncio.sleep(0)

    vloop.run_until_complete(main())
    assert vloop.time() == 0.01
    assert took() > 1


def test_reader_without_an_end_lets_timers_fire_late(vloop, took):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        vloop.add_reader(ours, lambda: None)
        vloop.run_until_complete(asyncio.sleep(0.01))
        vloop.remove_reader(ours)
    assert vloop.time() == 0.01
    assert took() > 1


def test_timeouts_fire_without_waiting(vloop, took):
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(HOUR), 60)
        assert vloop.time() == 60
        if sys.version_info >= (3, 11):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await asyncio.Event().wait()
            assert vloop.time() == 120
        done, pending = await asyncio.wait(
            [asyncio.ensure_future(asyncio.sleep(HOUR, "slept"))], timeout=HOUR + 1
        )
        assert (len(done), len(pending)) == (1, 0)

    vloop.run_until_complete(main())
    assert took() < 2


def test_clock_goes_on_from_run_to_run(vloop):
    calls = []
    vloop.call_later(30, calls.append, "timer")
    vloop.run_until_complete(asyncio.sleep(10))
    assert (vloop.time(), calls) == (10, [])
    vloop.run_until_complete(asyncio.sleep(20))
    assert (vloop.time(), calls) == (30, ["timer"])


def test_cancelled_timers_are_forgotten(vloop):
    for _ in range(10_000):
        vloop.call_later(HOUR, print).cancel()
    assert len(vloop._scheduling) < 1000
    vloop.run_until_complete(asyncio.sleep(2 * HOUR))
    assert vloop.time() == 2 * HOUR
    assert len(vloop._scheduling) < 1000


# ---- what is real ----


async def ask_echo(server_seconds, client_seconds):
    """One answer of a server that thinks for so long, to a client that waits for so long."""

    async def answer(reader, writer):
        data = await reader.readline()
        await asyncio.sleep(server_seconds)
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        try:
            return await asyncio.wait_for(reader.read(), client_seconds)
        finally:
            writer.close()
    finally:
        server.close()


def test_sockets_work_beside_virtual_timers(vloop, took):
    assert vloop.run_until_complete(ask_echo(HOUR, 2 * HOUR)) == b"hello\n"
    assert vloop.time() == HOUR
    with pytest.raises(asyncio.TimeoutError):
        vloop.run_until_complete(ask_echo(2 * HOUR, HOUR))
    assert vloop.time() == 2 * HOUR
    vloop.run_until_complete(asyncio.sleep(2 * HOUR))  # the server that was left
    assert took() < 5


def test_timeout_does_not_fire_while_a_peer_answers(virtual):
    """A hundred answers of a thread, none of which takes longer than the grace."""
    vloop = virtual(grace=5)
    ours, theirs = socket.socketpair()

    def echo():
        with theirs:
            while data := theirs.recv(100):
                theirs.send(data)

    async def main():
        reader, writer = await asyncio.open_connection(sock=ours)
        for _ in range(100):
            writer.write(b"ping")
            assert await asyncio.wait_for(reader.readexactly(4), HOUR) == b"ping"
        writer.close()
        await writer.wait_closed()
        return vloop.time()

    thread = threading.Thread(target=echo)
    thread.start()
    try:
        assert vloop.run_until_complete(main()) == 0
    finally:
        thread.join()


def test_tls_handshake_is_within_its_timeout(vloop, server_context, client_context, took):
    async def main():
        async def answer(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context)
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(),
            ssl=client_context,
            server_hostname="localhost",
            ssl_handshake_timeout=1,
        )
        writer.write(b"secret\n")
        assert await reader.read() == b"secret\n"
        writer.close()
        server.close()
        await asyncio.sleep(HOUR)

    vloop.run_until_complete(main())
    assert vloop.time() >= HOUR
    assert took() < 5


def test_grace_is_what_a_peer_may_take(virtual):
    """What answers after 0.1 s is late for a grace of 20 ms, and in time for one of ten seconds."""

    async def main():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        answering = threading.Timer(0.1, theirs.send, [b"late"])
        answering.start()
        with ours, theirs:
            try:
                return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ours, 10), HOUR)
            finally:
                answering.join()

    with pytest.raises(asyncio.TimeoutError):
        virtual().run_until_complete(main())
    patient = virtual(grace=10)
    assert patient.run_until_complete(main()) == b"late"
    assert patient.time() == 0


# ---- what holds the clock ----


def test_job_of_an_executor_holds_the_clock(vloop, took):
    async def main():
        job = asyncio.ensure_future(asyncio.wait_for(vloop.run_in_executor(None, time.sleep, 0.2), HOUR))
        await job
        assert vloop.time() == 0
        await asyncio.sleep(HOUR)

    vloop.run_until_complete(main())
    assert 0.2 <= took() < 5


def test_signal_does_not_let_time_leap_past_a_job(vloop, took):
    """It ends the wait for the job, and brings nothing to run."""

    async def main():
        await asyncio.wait_for(vloop.run_in_executor(None, time.sleep, 0.2), HOUR)
        assert vloop.time() == 0

    came = []
    previous = signal.signal(signal.SIGALRM, lambda *args: came.append(args))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        vloop.run_until_complete(main())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert came
    assert took() >= 0.2


def test_timeout_of_a_job_takes_its_real_time(vloop, took):
    async def main():
        release = threading.Event()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(vloop.run_in_executor(None, release.wait), 0.2)
        assert vloop.time() == 0.2
        assert took() >= 0.2
        release.set()

    vloop.run_until_complete(main())


def test_work_before_a_job_does_not_count_against_its_timeout(vloop):
    """What callbacks do takes no time, so a timeout begins when it is set."""

    async def main():
        time.sleep(0.3)  # a callback's work, which takes no time
        await asyncio.wait_for(vloop.run_in_executor(None, time.sleep, 0.05), 0.3)
        return vloop.time()

    assert vloop.run_until_complete(main()) == 0


def test_leaps_before_a_job_do_not_count_against_its_timeout(vloop, took):
    async def main():
        watchdog = vloop.call_later(HOUR + 0.4, print)
        await asyncio.sleep(HOUR)
        await asyncio.wait_for(vloop.run_in_executor(None, time.sleep, 0.1), 0.3)
        assert vloop.time() == HOUR
        watchdog.cancel()

    vloop.run_until_complete(main())
    assert took() < 5


def test_job_that_needs_a_timer_of_the_loop_gets_it(vloop):
    async def main():
        def work():
            return asyncio.run_coroutine_threadsafe(asyncio.sleep(0.1, "slept"), vloop).result(10)

        return await vloop.run_in_executor(None, work), vloop.time()

    assert vloop.run_until_complete(main()) == ("slept", 0.1)


def test_executor_shuts_down_within_its_timeout(vloop):
    async def main():
        vloop.run_in_executor(None, time.sleep, 0.2)
        await vloop.shutdown_default_executor()
        return vloop.time()

    assert vloop.run_until_complete(main()) == 0


def test_child_process_holds_the_clock(vloop, took):
    async def main():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import time; time.sleep(0.2); print('child')", stdout=subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), HOUR)
        assert (out, process.returncode, vloop.time()) == (b"child\n", 0, 0)
        await asyncio.sleep(HOUR)

    vloop.run_until_complete(main())
    assert took() >= 0.2


def test_lookup_holds_the_clock(vloop):
    async def main():
        found = await asyncio.wait_for(vloop.getaddrinfo("localhost", 80), HOUR)
        return bool(found), vloop.time()

    assert vloop.run_until_complete(main()) == (True, 0)


def test_thread_holds_the_clock_as_long_as_it_says(vloop):
    """From a thread's start to its wake-up, which the loop cannot know of otherwise."""

    async def main():
        future = vloop.create_future()
        with vloop.hold():
            threading.Timer(0.1, vloop.call_soon_threadsafe, [future.set_result, "woken"]).start()
            assert await asyncio.wait_for(future, HOUR) == "woken"
        assert vloop.time() == 0
        await asyncio.sleep(HOUR)

    vloop.run_until_complete(main())
    assert vloop.time() == HOUR


def test_hold_that_a_thread_lets_go_lets_time_leap(vloop, took):
    taken = threading.Event()

    def hold():
        with vloop.hold():
            taken.set()
            time.sleep(0.1)  # how long it is held

    async def main():
        thread = threading.Thread(target=hold)
        thread.start()
        taken.wait()
        await asyncio.sleep(HOUR)
        thread.join()

    vloop.run_until_complete(main())
    assert 0.1 <= took() < 5


def test_wakeup_of_another_thread_comes_before_a_leap(vloop):
    """What has been handed over already is served first."""

    async def main():
        calls = []
        vloop.call_later(HOUR, lambda: calls.append("timer"))
        thread = threading.Thread(target=vloop.call_soon_threadsafe, args=(calls.append, "woken"))
        thread.start()
        thread.join()
        await asyncio.sleep(HOUR)
        await asyncio.sleep(0)
        return calls

    assert vloop.run_until_complete(main()) == ["woken", "timer"]


def test_pause_between_runs_is_no_time(vloop):
    calls = []
    vloop.call_later(0.1, calls.append, "timer")
    vloop.run_until_complete(asyncio.sleep(0))
    time.sleep(0.15)  # the pause

    async def main():
        await vloop.run_in_executor(None, time.sleep, 0.02)
        return list(calls)

    assert vloop.run_until_complete(main()) == []


def test_stop_and_interrupts_leave_the_clock_alone(vloop):
    vloop.call_soon(vloop.stop)
    handle = vloop.call_later(HOUR, print)
    vloop.run_forever()
    assert vloop.time() == 0

    def leave():
        raise KeyboardInterrupt

    vloop.call_soon(leave)
    with pytest.raises(KeyboardInterrupt):
        vloop.run_forever()
    assert vloop.time() == 0
    handle.cancel()


@pytest.mark.parametrize("selector", ["poll", "select"])
def test_other_selectors_leap_too(virtual, monkeypatch, selector, took):
    monkeypatch.setenv("GOLOOP_SELECTOR", selector)
    loop = virtual()

    async def main():
        for _ in range(200):
            await asyncio.sleep(HOUR)

    loop.run_until_complete(main())
    assert loop.time() == 200 * HOUR
    assert loop.run_until_complete(ask_echo(HOUR, 2 * HOUR)) == b"hello\n"
    assert took() < 3  # 200 graces would be four seconds


@pytest.mark.since("3.11")
def test_it_is_a_loop_factory(took):
    from goloop import testing

    with asyncio.Runner(loop_factory=testing.virtual_loop) as runner:
        assert runner.run(asyncio.sleep(HOUR, "slept")) == "slept"
        assert runner.get_loop().time() == HOUR
    assert took() < 2
