"""PostgreSQL and Redis for the tests, each a process with a folder of its own, found as tools/services left them."""

import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

from certificates import Authority

UNPACKED = pathlib.Path(__file__).resolve().parents[2] / ".services" / "usr"
LIBRARIES = ":".join(glob.glob(f"{UNPACKED}/lib/*-linux-*"))
ENVIRONMENT = {**os.environ, "LC_ALL": "C", "LD_LIBRARY_PATH": LIBRARIES}
# PostgreSQL refuses to run as root.
OWNER = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
AS_OWNER = {"user": OWNER.pw_uid, "group": OWNER.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
POSTGRES = ["/usr/lib/postgresql/*/bin", UNPACKED / "lib/postgresql/*/bin"]
PATIENCE = 20  # seconds for a server to answer


def program(name, *places):
    """The path of a program; the test is skipped where there is none, as tools/services has said."""
    found = [shutil.which(name), *(path for place in places for path in sorted(glob.glob(f"{place}/{name}")))]
    path = next(filter(None, found), None)
    return path or pytest.skip(f"no {name} here")


@contextlib.contextmanager
def folder():
    """A folder of the servers' owner, with a path that is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="goloop-", ignore_cleanup_errors=True) as path:
        os.chown(path, OWNER.pw_uid, OWNER.pw_gid)
        yield pathlib.Path(path)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def running(command, ready):
    """A server, from when it is ready to its end. What it says is shown when it does not come."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=ENVIRONMENT, cwd="/", stdout=log, stderr=log, **AS_OWNER)
        try:
            deadline = time.monotonic() + PATIENCE
            while not ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise AssertionError(log.read().decode())
                time.sleep(0.01)  # nothing tells of it: the next look
            yield process
        finally:
            process.terminate()
            process.wait()


def accepts(path):
    """Whether somebody listens at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


@contextlib.contextmanager
def redis_server():
    """A new Redis; gives its port, and the path of its Unix socket."""
    command = [program("redis-server", UNPACKED / "bin")]
    with folder() as path:
        port, unix = free_port(), path / "redis.sock"
        settings = {
            "port": port,
            "bind": "127.0.0.1",
            "unixsocket": unix,
            "dir": path,
            "save": "",
            "daemonize": "no",
        }
        for name, value in settings.items():
            command += [f"--{name}", str(value)]
        with running(command, lambda: accepts(unix)):
            yield port, str(unix)


@contextlib.contextmanager
def postgres_cluster():
    """How to reach a new cluster: keywords of asyncpg.connect, by name of the way."""
    initdb = program("initdb", *POSTGRES)
    with folder() as path:
        data, port = path / "data", free_port()
        command = [initdb, "-D", data, "-U", "goloop", "-A", "trust", "-E", "UTF8", "--no-sync"]
        done = subprocess.run(command, env=ENVIRONMENT, cwd="/", capture_output=True, text=True, **AS_OWNER)
        assert done.returncode == 0, done.stderr
        authority = Authority()
        certificate = authority.issue_cert("localhost")
        shutil.copy(certificate.key, data / "server.key")
        shutil.copy(certificate.certificate, data / "server.crt")
        for name in ("server.key", "server.crt"):
            os.chmod(data / name, 0o600)
            os.chown(data / name, data.stat().st_uid, data.stat().st_gid)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        programs = pathlib.Path(initdb).resolve().parent
        command = [programs / "postgres", "-D", data, "-k", path]
        settings = {"port": port, "listen_addresses": "localhost", "ssl": "on", "fsync": "off"}
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]

        def ready():  # it listens before it serves
            ask = [programs / "pg_isready", "-q", "-h", path, "-p", str(port)]
            return subprocess.run(ask, env=ENVIRONMENT).returncode == 0

        with running(command, ready):
            common = {"user": "goloop", "database": "postgres", "port": port}
            yield {
                "tcp": {**common, "host": "localhost", "ssl": False},
                "unix": {**common, "host": str(path)},
                "tls": {**common, "host": "localhost", "ssl": trusting},
            }
