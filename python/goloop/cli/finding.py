"""The endpoint of a process that is named by its PID."""

from __future__ import annotations

import os
import re
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator

from .answers import Endpoint, NoAnswer, is_path

_LISTENING = 1 << 16  # of the flags in /proc/net/unix: SO_ACCEPTCON


def find(target: str) -> Endpoint:
    """The endpoint of a PID, or at a path or HOST:PORT.

    Raises:
        NoAnswer: there is none.
    """
    if not target.isascii() or not target.isdigit():
        return Endpoint(target)
    pid = int(target)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        raise NoAnswer(f"there is no process {pid}") from None
    except PermissionError:
        pass
    tried = []
    for address in dict.fromkeys(_candidates(pid)):
        endpoint = Endpoint(address)
        try:
            if endpoint.load("/info")["pid"] in _names(pid):
                return endpoint
        except (NoAnswer, KeyError, TypeError):
            tried.append(address)
    where = f" (tried {', '.join(tried)})" if tried else ""
    raise NoAnswer(
        f"process {pid} has no endpoint that can be found{where}: start it with GOLOOP_CONTROL=PATH or "
        "goloop.control.serve(), or give the path or HOST:PORT of its endpoint"
    )


def _names(pid: int) -> list[int]:
    """The numbers of a process: here, and in the namespaces that it is in."""
    try:
        with open(f"/proc/{pid}/status") as status:
            return [
                pid,
                *(int(each) for line in status if line.startswith("NSpid:") for each in line.split()[1:]),
            ]
    except OSError:
        return [pid]


def _candidates(pid: int) -> Iterator[str]:
    environ = _environ(pid)
    for name in _names(pid)[:1] + _names(pid)[-1:]:
        if asked := environ.get("GOLOOP_CONTROL", "").replace("{pid}", str(name)):
            yield _seen_from_here(pid, asked) if is_path(asked) else asked
        for folder in (environ.get("XDG_RUNTIME_DIR"), environ.get("TMPDIR"), tempfile.gettempdir(), "/tmp"):
            if folder and os.path.exists(path := os.path.join(folder, f"goloop-{name}.sock")):
                yield path
    yield from _listening(pid)


def _environ(pid: int) -> dict[str, str]:
    """With what a process was started; empty where that is not to be known."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = file.read().decode(errors="surrogateescape").split("\0")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _seen_from_here(pid: int, path: str) -> str:
    path = path.removeprefix("unix:")
    if not os.path.isabs(path):
        try:
            path = os.path.join(os.readlink(f"/proc/{pid}/cwd"), path)
        except OSError:
            return path
    # In a container its path is another one.
    return path if os.path.exists(path) else f"/proc/{pid}/root{path}"


def _listening(pid: int) -> Iterator[str]:
    """The Unix sockets at which a process listens.

    An endpoint has given its socket a second name, beside the folder in which it was bound: /proc shows the first only. So
    those who listen beside it are asked who they are, by SO_PEERCRED, which sends them nothing.
    """
    try:
        inodes = {
            found[1]
            for fd in os.listdir(f"/proc/{pid}/fd")
            if (found := re.fullmatch(r"socket:\[(\d+)\]", _link(f"/proc/{pid}/fd/{fd}")))
        }
        with open(f"/proc/{pid}/net/unix") as table:
            rows = [line.rstrip("\n").split(" ", 7) for line in table]
    except OSError:
        return
    for row in rows[1:]:
        # Num RefCount Protocol Flags Type St Inode Path; the inode is padded with blanks
        found = re.fullmatch(r"\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+) (.+)", " ".join(row))
        if (
            not found
            or found[2] not in inodes
            or not int(found[1], 16) & _LISTENING
            or found[3].startswith("@")
        ):
            continue
        folder, name = os.path.split(found[3])
        if name == "s" and os.path.basename(folder).startswith(".g"):
            folder = os.path.dirname(folder)
            yield from _whose(pid, _seen_from_here(pid, folder))
        else:
            yield _seen_from_here(pid, found[3])


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _whose(pid: int, folder: str) -> Iterator[str]:
    """The private sockets in a folder at which a process listens."""
    try:
        paths = [entry.path for entry in os.scandir(folder) if _is_private_socket(entry)]
    except OSError:
        return
    for path in sorted(paths):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(0.5)
            try:
                sock.connect(path)
                peer = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            except OSError:
                continue
        if peer[0] == pid:
            yield path


def _is_private_socket(entry: os.DirEntry[str]) -> bool:
    try:
        mode = entry.stat(follow_symlinks=False).st_mode
    except OSError:
        return False
    return stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
