"""Names of the hosts file, asked for again: answered without a lookup, and always as libc would."""

import asyncio
import itertools
import os
import pathlib
import re
import socket
import textwrap
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
def test_third_lookup_does_not_wait(loop, run):
    async def main():
        lookups = {
            "address": lambda: loop.getaddrinfo("localhost", 80, **IPV4),
            "service": lambda: loop.getaddrinfo("localhost", "http", **IPV4),
            "bytes": lambda: loop.getaddrinfo(b"LOCALHOST", b"80", **IPV4),
            "to listen": lambda: loop.getaddrinfo("localhost", None, flags=socket.AI_PASSIVE, **IPV4),
            "name": lambda: loop.getnameinfo(("127.0.0.1", 80)),
            "name alone": lambda: loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICSERV),
        }
        for what, lookup in lookups.items():
            assert at_once(lookup()) is None, what
            answer = await lookup()  # the second, which shows that it is asked often
            for _ in range(3):
                assert at_once(lookup()) == answer, what

    run(main())


@kept_here
@pytest.mark.goloop_only
def test_lookup_of_another_port_does_not_wait(loop, run):
    async def main():
        for _ in range(2):
            await loop.getaddrinfo("localhost", 80, **IPV4)
            await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICSERV)
        for port in (81, "82", b"0", 65535):
            assert at_once(loop.getaddrinfo("localhost", port, **IPV4))[0][4] == ("127.0.0.1", int(port))
            name, service = at_once(loop.getnameinfo(("127.0.0.1", int(port)), socket.NI_NUMERICSERV))
            assert service == str(int(port)) and not name[0].isdigit()
        for other in (65536, "080", "+80", " 80", "http", None):
            assert at_once(loop.getaddrinfo("localhost", other, **IPV4)) is None, other
        assert at_once(loop.getnameinfo(("127.0.0.1", 81))) is None  # by the services' file

    run(main())


@kept_here
@pytest.mark.goloop_only
def test_cancelled_lookup_that_a_turn_was_to_answer(loop, run):
    async def main():
        for _ in range(2):
            expected = await loop.getaddrinfo("localhost", 80, **IPV4)
        answers = [at_once(loop.getaddrinfo("localhost", 80, **IPV4)) for _ in range(1000)]
        assert answers[0] == expected and answers[-1] is None
        assert await loop.getaddrinfo("localhost", 80, **IPV4) == expected
        assert at_once(loop.getaddrinfo("localhost", 80, **IPV4)) == expected

    run(main())


def test_lookups_in_a_row_let_other_tasks_run(loop, run):
    async def main():
        turns = 0

        async def other():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.ensure_future(other())
        without, longest = 0, 0
        for port in range(1, 2001):
            before = turns
            assert (await loop.getaddrinfo("localhost", port, **IPV4))[0][4] == ("127.0.0.1", port)
            without = without + 1 if turns == before else 0
            longest = max(longest, without)
        task.cancel()
        assert longest <= 300

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
    for _ in range(3):
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


def test_answers_with_another_port_are_those_of_socket(loop, run):
    families = [socket.AF_INET]
    if re.search(r"^::1\s+localhost\b", pathlib.Path("/etc/hosts").read_text(), re.MULTILINE):
        families += [socket.AF_INET6, socket.AF_UNSPEC]  # else a network may be asked
    flags = (
        0,
        socket.AI_PASSIVE,
        socket.AI_CANONNAME,
        socket.AI_NUMERICSERV,
        socket.AI_CANONNAME | socket.AI_PASSIVE | socket.AI_NUMERICSERV,
    )
    kinds = (0, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW)
    protos = (0, socket.IPPROTO_TCP, socket.IPPROTO_UDP)
    ports = (
        80,
        80,
        80,
        81,
        "82",
        b"83",
        0,
        "0",
        65535,
        65536,
        65616,
        "65616",
        "080",
        "+80",
        " 80",
        "80 ",
        "0x50",
        None,
        "",
        -1,
        80,
    )
    questions = [
        ("localhost", port, *rest)
        for rest in itertools.product(families, kinds, protos, flags)
        for port in ports
    ]
    names = [
        ((address, port), flag)
        for address, flag in itertools.product(
            ("127.0.0.1", "127.1"), (2, 2 | socket.NI_DGRAM, 2 | socket.NI_NAMEREQD)
        )
        for port in (80, 80, 80, 81, 0, 65535, 65536, -1, 80)
    ]

    async def main():
        differences = await differences_of_answers(loop, questions, times=1)
        for question in names:
            expected = outcome(socket.getnameinfo, *question)
            got = await outcome_of(loop.getnameinfo(*question))
            if got != expected:
                differences.append((question, got, expected))
        return differences

    assert run(main()) == []


def test_replaced_function_is_called_when_the_answer_is_known(loop, run, monkeypatch):
    for _ in range(3):
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
                for _ in range(3):
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


@pytest.fixture
def script_of_hosts(script, tmp_path):
    """Runs a program in a mount namespace of its own, where the hosts file has a text."""

    def run_program(hosts, program):
        (tmp_path / "nsswitch.conf").write_text("hosts: files\nservices: files\n")
        (tmp_path / "hosts").write_text(hosts)
        script.prelude += textwrap.dedent(f"""
            import ctypes, pathlib, subprocess

            libc = ctypes.CDLL(None)
            commands = ["mount --make-rprivate /"]
            commands += [f"mount --bind {tmp_path}/{{name}} /etc/{{name}}" for name in ("hosts", "nsswitch.conf")]
            if libc.unshare(0x20000) or any(subprocess.run(command.split(), capture_output=True).returncode for command in commands):
                print("no namespace")
                sys.exit()
            sys.path.insert(0, {os.path.dirname(__file__)!r})
        """)
        out = script(program)
        if out == "no namespace\n":
            pytest.skip("mount namespaces are not allowed here")
        return out

    return run_program


@pytest.mark.linux_only
@pytest.mark.root_only
def test_change_of_the_hosts_file_is_seen_at_once(script_of_hosts, loop_name):
    out = script_of_hosts(
        "127.0.0.5 changing.test\n127.0.0.1 localhost\n",
        """
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
        """,
    )
    kept = str(loop_name == "goloop")
    first, second, none = "127.0.0.5 changing.test", "127.0.0.6 other.test", "True 127.0.0.5"
    expected = [*[first] * 3, f"{kept} {kept}", *[second] * 3, f"{kept} {kept}", *[none] * 3, "127.0.0.7"]
    assert out.splitlines() == expected


@pytest.mark.linux_only
@pytest.mark.root_only
def test_answers_from_both_families_are_those_of_socket(script_of_hosts):
    out = script_of_hosts(
        "127.0.0.1 localhost.test\n::1 localhost.test\n::1 six.test\n10.0.0.1 canonical.test alias.test\n",
        """
        import itertools
        from lookups import differences_of_answers

        questions = [
            (host, port, family, kind, proto, flags)
            for host, family, kind, proto, flags in itertools.product(
                ("localhost.test", "six.test", "alias.test"), (0, socket.AF_INET, socket.AF_INET6), (0, 1, 2, 3), (0, 6, 17), (0, 1, 2, 0x400, 0x403)
            )
            for port in (80, 80, 80, 81, "82", b"0", 65535, 65536, "080", None, 1)
        ]

        async def main():
            loop = asyncio.get_running_loop()
            await asyncio.sleep(2.3)  # only what has not changed for as long is kept
            print(await differences_of_answers(loop, questions, times=1))

        run(main())
        """,
    )
    assert out == "[]\n"
