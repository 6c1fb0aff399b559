"""Ending a build with one sentence, "goloop needs …", and no traceback. And what no package of PyPI could bring."""

import os
import platform
import sys
import sysconfig


def stop(why):
    sys.exit(f"goloop needs {why}")


def check_platform():
    """Refuse what cannot load a Go c-shared library: musl (golang/go#54805), Windows."""
    if os.name != "posix":
        stop(f"glibc or macOS: {platform.system()} is not supported, use asyncio's own loop there.")
    try:
        glibc = not sys.platform.startswith("linux") or os.confstr("CS_GNU_LIBC_VERSION")
    except (OSError, ValueError):  # musl knows the name, and has no answer: EINVAL
        glibc = None
    if not glibc:
        stop(
            "glibc or macOS: this Python's C library is another one (musl?), on which a Go "
            "library cannot be loaded (golang/go#54805); use asyncio's own loop there."
        )


def check_headers():
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    elsewhere = any(os.environ.get(name) for name in ("CFLAGS", "CPATH", "C_INCLUDE_PATH"))
    if not os.path.exists(header) and not elsewhere:
        stop(f"Python's headers to be built from source, and {header} is not there (Debian: python3-dev).")
