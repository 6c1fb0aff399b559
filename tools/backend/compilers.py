"""The C compiler: the user's, Python's, another of the system or, where there is none, zig's (ziglang on PyPI)."""

import importlib.util
import os
import pathlib
import platform
import shlex
import shutil
import sys
import sysconfig

from refusals import stop

ROOT = pathlib.Path(__file__).resolve().parents[2]
REQUIREMENT = "ziglang==0.15.2"
NEWEST_GLIBC = 42  # 2.42, that it knows
LINUX = sys.platform.startswith("linux")


def find_program(command):
    """The path of a command line's first word, when it can be run; else None."""
    words = shlex.split(command or "")
    return shutil.which(words[0]) if words else None


class Compiler:
    def __init__(self, command, *, configured, env=None):
        self.command = command  # as a shell has it, and setuptools and Go too
        self.configured = configured  # setuptools calls it as Python was compiled
        self.env = env or {}  # what else it runs with

    def executables(self):
        """setuptools' command lines for one that Python was not compiled with: none of the flags of Python's, which it may not know."""
        words = shlex.split(self.command)
        flags = shlex.split(os.environ.get("CFLAGS", ""))
        return {
            "compiler_so": [*words, "-DNDEBUG", "-fwrapv", "-fPIC", *flags],
            "linker_so": [*words, "-shared", *flags, *shlex.split(os.environ.get("LDFLAGS", ""))],
        }


def zig():
    """ziglang's compiler; None where that is not installed."""
    spec = importlib.util.find_spec("ziglang")
    for folder in (spec and spec.submodule_search_locations) or ():
        program = os.path.join(folder, "zig")
        if os.path.exists(program):
            break
    else:
        return None
    # With a target, it neither compiles for this machine's processor only (pip keeps the wheel, which may be used
    # elsewhere), nor takes the system's headers, but those that it has not: Python's may lie in several folders.
    glibc = min(int(os.confstr("CS_GNU_LIBC_VERSION").split(".")[1]), NEWEST_GLIBC)
    target = f"{platform.machine()}-linux-gnu.2.{glibc}"
    command = shlex.join([program, "cc", "-target", target, "-idirafter", "/usr/include"])
    caches = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
    env = {name: os.environ.get(name) or str(ROOT / "build" / "zig") for name in caches}
    return Compiler(command, configured=False, env=env)


def search():
    """A compiler, or None and the command that was not found."""
    wanted = os.environ.get("CC")
    if wanted:
        return (Compiler(wanted, configured=True) if find_program(wanted) else None), wanted
    wanted = sysconfig.get_config_var("CC") or "cc"
    if find_program(wanted):
        return Compiler(wanted, configured=True), wanted
    for command in ("cc", "gcc", "clang") if LINUX else ():
        if find_program(command):
            return Compiler(command, configured=False), wanted
    return (zig() if LINUX else None), wanted


def refuse(wanted):
    stop(
        f"a C compiler to be built from source, and '{shlex.split(wanted)[0]}' is not on PATH "
        f"({'Debian: gcc' if LINUX else 'xcode-select --install'})."
    )


def find():
    compiler, wanted = search()
    if not compiler:
        refuse(wanted)
    return compiler


def requirements():
    """What is to be installed to have a compiler."""
    compiler, wanted = search()
    if compiler:
        return []
    # macOS: zig has not the frameworks that Go links. A compiler that the user names is not replaced.
    if not LINUX or os.environ.get("CC") or platform.machine() not in ("x86_64", "aarch64"):
        refuse(wanted)
    return [REQUIREMENT]
