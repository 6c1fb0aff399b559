"""Lookups that take their time: cancelled, outlived by their loop, forked and exited from."""

import shlex
import subprocess
import sysconfig
import textwrap

import pytest

pytestmark = pytest.mark.linux_only  # LD_PRELOAD

# The programs below run with a libc whose getaddrinfo does as names say:
#   wait-N-M.test writes a byte to descriptor M and reads one from N, then answers as 127.0.0.1
#   code-N.test   fails with code N
#   errno-N.test  fails with EAI_SYSTEM and errno N
LIBC = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <netdb.h>
    #include <stdio.h>
    #include <unistd.h>

    static int (*libc)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    __attribute__((constructor)) static void find(void) {
        *(void **)&libc = dlsym(RTLD_NEXT, "getaddrinfo");
    }

    int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
        int n, m;
        char byte = 0;
        if (host && sscanf(host, "code-%d.", &n) == 1) return n;
        if (host && sscanf(host, "errno-%d.", &n) == 1) {
            errno = n;
            return EAI_SYSTEM;
        }
        if (host && sscanf(host, "wait-%d-%d.", &n, &m) == 2) {
            if (write(m, &byte, 1) != 1) return EAI_FAIL;
            while (read(n, &byte, 1) < 0 && errno == EINTR) continue;
            host = "127.0.0.1";
        }
        return libc(host, service, hints, out);
    }
"""


@pytest.fixture(scope="module")
def libc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("libc")
    (folder / "libc.c").write_text(LIBC)
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    subprocess.run(
        [*compiler, "-shared", "-fPIC", "-o", folder / "libc.so", folder / "libc.c", "-ldl"], check=True
    )
    return folder / "libc.so"


@pytest.fixture
def slow_script(script, libc, monkeypatch):
    """`script` in a process with LIBC, and lookup(), release(count) in it."""
    monkeypatch.setenv("LD_PRELOAD", str(libc))
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    prelude = """
        import warnings
        warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)

        def make_pipes():
            global wait_fd, release_fd, begun_fd, begin_fd
            wait_fd, release_fd = os.pipe()
            begun_fd, begin_fd = os.pipe()

        make_pipes()

        def lookup(port=80):
            host = f"wait-{wait_fd}-{begin_fd}.test"
            return asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)

        def until_begun(count):  # blocks the loop: a lookup must not need it to begin
            for _ in range(count):
                os.read(begun_fd, 1)

        def release(count=1):
            os.write(release_fd, b"x" * count)

        async def turns(count):
            for _ in range(count):
                await asyncio.sleep(0)
    """
    return lambda source: script(textwrap.dedent(prelude) + textwrap.dedent(source))


def test_errors_of_the_resolver(slow_script):
    out = slow_script("""
        async def main():
            names = [f"code-{code}.test" for code in range(-110, 0) if code != socket.EAI_SYSTEM]
            names += [f"errno-{number}.test" for number in (2, 13, 110)]
            for name in names:
                try:
                    socket.getaddrinfo(name, 80)
                except OSError as exc:
                    expected = exc
                try:
                    await asyncio.get_running_loop().getaddrinfo(name, 80)
                except OSError as exc:
                    same = type(exc) is type(expected) and exc.args == expected.args and str(exc) == str(expected)
                    if not same or exc.errno != expected.errno:
                        print(name, repr(exc), repr(expected))
            print(len(names))

        run(main())
    """)
    assert out == "112\n"


def test_cancelled_lookup_is_answered_to_nobody(slow_script):
    out = slow_script("""
        async def main():
            task = asyncio.ensure_future(lookup())
            await turns(3)
            until_begun(1)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                print("cancelled")
            release()
            second = asyncio.ensure_future(lookup(81))
            await turns(3)
            release()
            print((await second)[0][4])

        run(main())
    """)
    assert out == "cancelled\n('127.0.0.1', 81)\n"


def test_cancelled_lookup_that_waits_for_others_is_never_begun(slow_script):
    out = slow_script("""
        async def main():
            tasks = [asyncio.ensure_future(lookup(port)) for port in range(100)]
            await turns(3)
            for task in tasks[40:]:
                task.cancel()
            await turns(3)
            release(40)  # a byte for each of the others, and none to spare
            answers = await asyncio.gather(*tasks[:40])
            print([answer[0][4][1] for answer in answers] == list(range(40)))

        run(main())
    """)
    assert out == "True\n"


def test_loop_closes_during_a_lookup(slow_script):
    out = slow_script("""
        async def leave():
            task = asyncio.ensure_future(lookup())
            await turns(3)
            until_begun(1)
            task.cancel()
            await turns(3)

        async def literal():
            return await asyncio.get_running_loop().getaddrinfo("localhost", 80, family=socket.AF_INET, type=1)

        for _ in range(20):
            loop = new_event_loop()
            loop.run_until_complete(leave())
            loop.close()
            release()
            print(run(literal())[0][4])
    """)
    assert out == "('127.0.0.1', 80)\n" * 20


def test_fork_during_lookups(slow_script):
    out = slow_script("""
        async def start():
            tasks = [asyncio.ensure_future(lookup(port)) for port in range(3)]
            await turns(3)
            until_begun(3)
            return tasks

        async def finish(tasks):
            release(len(tasks))
            return [answer[0][4][1] for answer in await asyncio.gather(*tasks)]

        async def child():
            return await finish(await start())

        loop = new_event_loop()
        tasks = loop.run_until_complete(start())
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                signal.alarm(15)
                make_pipes()
                print(run(child()))
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        print(loop.run_until_complete(finish(tasks)))
        loop.close()
    """)
    assert out == "[0, 1, 2]\n" * 6


@pytest.mark.goloop_only  # asyncio's executor is joined at exit, and hangs
def test_exit_during_lookups(slow_script):
    out = slow_script("""
        async def main():
            tasks = [asyncio.ensure_future(lookup(port)) for port in range(100)]
            await turns(3)

        run(main())
        print("done")
    """)
    assert out == "done\n"


@pytest.mark.goloop_only
def test_interrupt_during_a_lookup(slow_script):
    out = slow_script("""
        async def main():
            asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
            await lookup()

        try:
            run(main())
        except KeyboardInterrupt:
            print("interrupted")
    """)
    assert out == "interrupted\n"
