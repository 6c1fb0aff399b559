"""The one list of tests that fail or skip on goloop and pass on asyncio's own loop.

A key is the name of a test, with shell wildcards; the value is the first and the last Python that it is about,
and the reason. The list is strict: an expected test that passes fails the run, and so does a key that matches no
test of its Pythons.

What asyncio's own loop fails or skips is not here; the run finds that out by itself.
"""

EXPECTED = {
    "test_subprocess.SubprocessThreadedWatcherTests.test_pid_not_reaped_before_exit_published": (
        "3.14",
        "3.15",
        "waits for the thread that asyncio's own child watcher has for the process: loop._watcher._threads",
    ),
    "test_unix_events.PidfdChildWatcherTests.test_pidfd_closed_when_waitpid_raises": (
        "3.14",
        "3.15",
        "lets os.waitpid fail, which asyncio's own child watcher calls; the engine asks the system",
    ),
}
