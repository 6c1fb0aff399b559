"""Tries one wheel where this file is run, which has nothing but a Python: it imports no other file of ours.

trial.py [--wheel WHEEL [--uvicorn] [--tests TEST...]] [--tree TREE] [--patience FACTOR]

With --wheel it first installs that in a fresh venv and goes on there. Then goloop runs, serves and answers; --uvicorn: under
load, and --tests: as tests/ says. What those need comes from PyPI. A line for each, with the outcome.
"""

import argparse
import asyncio
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv

CLIENTS, REQUESTS = 20, 250  # of --uvicorn; each client keeps its connection
APP = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    import asyncio
    name = type(asyncio.get_running_loop()).__module__.partition(".")[0].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(name))]})
    await send({"type": "http.response.body", "body": name})
"""
ANSWER = b"goloop"


def say(what: str, outcome: str) -> None:
    glibc = os.confstr("CS_GNU_LIBC_VERSION")
    print(f"{platform.python_version()} {platform.machine()} {glibc}: {what}: {outcome}", flush=True)


async def exchange(port: int, requests: int) -> int:
    """Send so many requests over one connection; how many were answered by goloop."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = 0
    for _ in range(requests):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])  # type: ignore[index]
        answered += head.startswith(b"HTTP/1.1 200") and await reader.readexactly(length) == ANSWER
    writer.close()
    return answered


async def serve(patience: float) -> int:
    """Serve on the running loop, and ask it from a client in the same; how many answers came."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n" + ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    counts = await asyncio.wait_for(asyncio.gather(*(exchange(port, 20) for _ in range(5))), 20 * patience)
    server.close()
    await asyncio.sleep(0.01)
    return sum(counts)


def run(patience: float) -> None:
    start = time.monotonic()
    import goloop  # type: ignore[import-not-found,unused-ignore]
    from goloop import _core  # type: ignore[attr-defined,unused-ignore]

    imported = time.monotonic()
    answers = goloop.run(serve(patience))
    took = time.monotonic() - imported
    assert answers == 100, answers
    say("import", f"{imported - start:.2f} s, {pathlib.Path(_core.__file__).name}")
    say("serve", f"{answers} answers in {took:.2f} s")


def folder() -> pathlib.Path:
    """A new folder that others may read too: a test becomes another user."""
    made = pathlib.Path(tempfile.mkdtemp())
    made.chmod(0o755)
    return made


def install(*what: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--only-binary=:all:", *what], check=True)


def pinned(requirements: pathlib.Path, *names: str) -> list[str]:
    lines = requirements.read_text().splitlines()
    return [line.split("#")[0].strip() for line in lines if re.split("[=[ ]", line)[0] in names]


async def load(port: int, patience: float) -> tuple[int, float]:
    deadline = time.monotonic() + 20 * patience
    while True:
        try:
            await exchange(port, 1)
            break
        except OSError:
            assert time.monotonic() < deadline, "uvicorn does not answer"
            await asyncio.sleep(0.1)
    start = time.monotonic()
    counts = await asyncio.gather(*(exchange(port, REQUESTS) for _ in range(CLIENTS)))
    return sum(counts), time.monotonic() - start


def run_uvicorn(tree: pathlib.Path, work: pathlib.Path, patience: float) -> None:
    install(*pinned(tree / "tests/hosts/requirements.txt", "uvicorn", "httptools"))
    (work / "served.py").write_text(APP)
    command = [sys.executable, "-m", "uvicorn", "served:app", "--loop", "goloop:new_event_loop"]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*command, "--port", "8765", "--no-access-log"], cwd=work, stdout=log, stderr=log
        )
        try:
            answers, took = asyncio.run(load(8765, patience))
            server.terminate()
            status = server.wait(20 * patience)
        finally:
            server.kill()
        log.seek(0)
        said = log.read().decode()
    # It ends by the signal that asked it to, as uvicorn does once all is closed.
    assert answers == CLIENTS * REQUESTS and status in (0, -15) and "Traceback" not in said, (
        answers,
        status,
        said,
    )
    say(
        "uvicorn",
        f"{answers} requests of {CLIENTS} clients answered, {answers / took:.0f} a second; ended by SIGTERM",
    )


def run_tests(tree: pathlib.Path, work: pathlib.Path, tests: list[str]) -> None:
    names = ("hypothesis", "psutil", "pytest", "pytest-timeout", "rich", "setuptools", "greenlet", "gevent")
    install(
        *pinned(tree / "tests/requirements.txt", *names),
        *pinned(tree / "tests/hosts/requirements.txt", "cryptography"),
    )
    for folder in ("tests", "python", "examples"):
        shutil.copytree(tree / folder, work / "tree" / folder)
    (work / "tree/tools").mkdir()
    shutil.copy(tree / "tools/run_pytest.py", work / "tree/tools")
    command = [sys.executable, "../tools/run_pytest.py", "-q", *tests]
    env = {**os.environ, "GOLOOP_TESTS_ONLY": "goloop"}
    done = subprocess.run(
        command, cwd=work / "tree/tests", env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout[-6000:], done.stderr[-2000:])
        raise SystemExit(1)
    say("tests", f"{done.stdout.strip().splitlines()[-1].strip('= ')} ({' '.join(tests)})")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--wheel")
    parser.add_argument("--uvicorn", action="store_true")
    parser.add_argument("--tests", nargs="*", default=[])
    parser.add_argument("--tree", type=pathlib.Path, default=pathlib.Path(__file__).parents[2])
    parser.add_argument("--patience", type=float, default=1)
    options = parser.parse_args()
    if options.wheel:
        place = folder() / "venv"
        venv.create(place, with_pip=True)
        python = str(place / "bin" / "python")
        installing = ["-m", "pip", "install", "-q", "--no-index", "--no-deps", options.wheel]
        subprocess.run([python, *installing], check=True)
        say("pip install", pathlib.Path(options.wheel).name)
        index = sys.argv.index("--wheel")
        os.execv(python, [python, "-I", __file__, *sys.argv[1:index], *sys.argv[index + 2 :]])
    work = folder()
    run(options.patience)
    if options.uvicorn:
        run_uvicorn(options.tree, work, options.patience)
    if options.tests:
        run_tests(options.tree, work, options.tests)


if __name__ == "__main__":
    main()
