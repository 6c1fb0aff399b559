"""Names of the hosts file, asked for again: answered without a lookup, and always as libc would."""

import itertools
import pathlib
import re
import socket
import time

import pytest

from lookups import differences_of_answers, outcome, outcome_of

IPV4 = {"family": socket.AF_INET, "type": socket.SOCK_STREAM}


def is_kept_here():
    """Whether the hosts file, which has localhost, is the first source of names on this system, and old enough."""
    files = [pathlib.Path("/etc", name) for name in ("nsswitch.conf", "hosts", "services")]
    try:
        switch, hosts, _ = (file.read_text() for file in files)
        changed = max(when for file in files for when in (file.stat().st_mtime, file.stat().st_ctime))
    except OSError:
        return False
    names = re.search(r"^hosts:[ \t]*files[ \t]*($|\w)", switch, re.MULTILINE)
    services = re.search(r"^services:[ \t]*(db[ \t]+)?files[ \t]*$", switch, re.MULTILINE)
    localhost = re.search(r"^127\.0\.0\.1\s+localhost\b", hosts, re.MULTILINE)
    return bool(names and services and localhost) and time.time() - changed > 3


kept_here = pytest.mark.skipif(
    not is_kept_here(), reason="the hosts file is not the first source of names here"
)


def at_once(coroutine):
    """What a coroutine returns in its first step; None if it waits. For a lookup on the loop that runs."""
    try:
        coroutine.send(None)
    except StopIteration as returned:
        return returned.value
    coroutine.close()
    return None


@kept_here
@pytest.mark.goloop_only
def test_second_lookup_does_not_wait(loop, run):
    async def main():
        lookups = {
            "address": lambda: loop.getaddrinfo("localhost", 80, **IPV4),
            "service": lambda: loop.getaddrinfo("localhost", "http", **IPV4),
            "bytes": lambda: loop.getaddrinfo(b"localhost", b"81", **IPV4),
            "to listen": lambda: loop.getaddrinfo("localhost", None, flags=socket.AI_PASSIVE, **IPV4),
            "name": lambda: loop.getnameinfo(("127.0.0.1", 80)),
            "name alone": lambda: loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICSERV),
        }
        for what, lookup in lookups.items():
            assert at_once(lookup()) is None, what
            answer = await lookup()
            for _ in range(3):
                assert at_once(lookup()) == answer, what

    run(main())


@kept_here
@pytest.mark.goloop_only
def test_what_depends_on_interfaces_is_looked_up_each_time(loop, run):
    async def main():
        for _ in range(3):
            assert at_once(loop.getaddrinfo("localhost", 80, flags=socket.AI_ADDRCONFIG, **IPV4)) is None
            try:
                await loop.getaddrinfo("localhost", 80, flags=socket.AI_ADDRCONFIG, **IPV4)
            except socket.gaierror:
                pass  # no interface but the loopback

    run(main())


@kept_here
@pytest.mark.goloop_only
def test_each_loop_asks_for_itself(loop_factory, run, loop):
    run(loop.getaddrinfo("localhost", 80, **IPV4))
    other = loop_factory()

    async def main():
        return at_once(other.getaddrinfo("localhost", 80, **IPV4))

    assert other.run_until_complete(main()) is None
    other.close()


def test_repeated_answers_are_those_of_socket(loop, run):
    questions = list(
        itertools.product(
            ("localhost", "LOCALHOST", b"localhost"),
            (None, 0, 80, "80", "http", "nosuchservice", -1),
            (socket.AF_INET,),
            (0, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW),
            (0, socket.IPPROTO_TCP),
            (0, socket.AI_PASSIVE, socket.AI_CANONNAME, socket.AI_NUMERICSERV, socket.AI_NUMERICHOST),
        )
    )
    addresses = ("127.0.0.1", 80), ("127.1", 22), ("127.0.0.1", 1), ("127.0.0.1", 80, 0)
    flags = (
        0,
        socket.NI_NUMERICSERV,
        socket.NI_NUMERICHOST,
        socket.NI_NAMEREQD,
        socket.NI_DGRAM,
        socket.NI_NOFQDN,
    )

    async def main():
        differences = await differences_of_answers(loop, questions)
        for question in itertools.product(addresses, flags):
            expected = outcome(socket.getnameinfo, *question)
            for _ in range(3):
                got = await outcome_of(loop.getnameinfo(*question))
                if got != expected:
                    differences.append((question, got, expected))
        return differences

    assert run(main()) == []


def test_replaced_function_is_called_when_the_answer_is_known(loop, run, monkeypatch):
    for _ in range(2):
        run(loop.getaddrinfo("localhost", 80, **IPV4))
        run(loop.getnameinfo(("127.0.0.1", 80)))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: args)
    monkeypatch.setattr(socket, "getnameinfo", lambda *args: args)
    assert run(loop.getaddrinfo("localhost", 80, **IPV4)) == ("localhost", 80, 2, 1, 0, 0)
    assert run(loop.getnameinfo(("127.0.0.1", 80))) == (("127.0.0.1", 80), 0)


def test_audit_hook_refuses_an_answer_that_is_known(script):
    out = script("""
        async def main():
            loop = asyncio.get_running_loop()
            refused = []

            def hook(event, args):
                if event in refused:
                    raise PermissionError(event)

            sys.addaudithook(hook)
            lookups = {
                "socket.getaddrinfo": lambda: loop.getaddrinfo("localhost", 80, family=socket.AF_INET),
                "socket.getnameinfo": lambda: loop.getnameinfo(("127.0.0.1", 80)),
            }
            for event, lookup in lookups.items():
                await lookup()
                answer = await lookup()
                refused.append(event)
                try:
                    await lookup()
                except PermissionError as exc:
                    print(exc)
                refused.clear()
                print(await lookup() == answer)

        run(main())
    """)
    assert out == "socket.getaddrinfo\nTrue\nsocket.getnameinfo\nTrue\n"


@pytest.mark.linux_only
@pytest.mark.root_only
def test_change_of_the_hosts_file_is_seen_at_once(script, tmp_path, loop_name):
    """In a mount namespace of its own, where both files are the test's."""
    (tmp_path / "nsswitch.conf").write_text("hosts: files\nservices: files\n")
    (tmp_path / "hosts").write_text("127.0.0.5 changing.test\n127.0.0.1 localhost\n")
    out = script(f"""
        import ctypes, pathlib, subprocess

        libc = ctypes.CDLL(None)
        commands = ["mount --make-rprivate /"]
        commands += [f"mount --bind {tmp_path}/{{name}} /etc/{{name}}" for name in ("hosts", "nsswitch.conf")]
        if libc.unshare(0x20000) or any(subprocess.run(command.split(), capture_output=True).returncode for command in commands):
            print("no namespace")
            sys.exit()

        hosts = pathlib.Path("/etc/hosts")
        ipv4 = dict(family=socket.AF_INET, type=socket.SOCK_STREAM)

        async def at_once(coroutine):
            task = asyncio.ensure_future(coroutine)
            await asyncio.sleep(0)  # its first step
            done = task.done()
            await task  # before the file is another
            return done

        async def main():
            loop = asyncio.get_running_loop()

            async def ask(host):
                try:
                    return (await loop.getaddrinfo(host, 80, **ipv4))[0][4][0]
                except socket.gaierror as exc:
                    return exc.errno == socket.EAI_NONAME

            async def name_of(address):
                return (await loop.getnameinfo((address, 80), socket.NI_NUMERICSERV))[0]

            for text in (hosts.read_text(), "127.0.0.6 changing.test\\n127.0.0.5 other.test\\n", "127.0.0.1 localhost\\n"):
                hosts.write_text(text)
                print(await ask("changing.test"), await name_of("127.0.0.5"))
                await asyncio.sleep(2.3)  # only what has not changed for as long is kept
                for _ in range(2):
                    print(await ask("changing.test"), await name_of("127.0.0.5"))
                if "changing.test" in text:
                    lookups = loop.getaddrinfo("changing.test", 80, **ipv4), loop.getnameinfo(("127.0.0.5", 80), 2)
                    print(*[await at_once(lookup) for lookup in lookups])
            hosts.write_text("127.0.0.7 changing.test\\n")  # an error is not kept
            print(await ask("changing.test"))

        run(main())
    """)
    if out == "no namespace\n":
        pytest.skip("mount namespaces are not allowed here")
    kept = str(loop_name == "goloop")
    first, second, none = "127.0.0.5 changing.test", "127.0.0.6 other.test", "True 127.0.0.5"
    expected = [*[first] * 3, f"{kept} {kept}", *[second] * 3, f"{kept} {kept}", *[none] * 3, "127.0.0.7"]
    assert out.splitlines() == expected
