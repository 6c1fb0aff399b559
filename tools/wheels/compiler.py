"""Zig as a C compiler, and the extension that it compiles."""

import importlib.util
import os
import shlex
from pathlib import Path

from . import commands
from .headers import CACHE, Headers
from .recipe import Recipe
from .target import Target

# As CPython compiles extensions: without assertions, and signed numbers wrap.
ALWAYS = ["-shared", "-fPIC", "-DNDEBUG", "-fwrapv", "-g0"]


def environment() -> dict[str, str]:
    """What zig compiles for itself, once for each C library, is kept beside the headers."""
    place = os.environ.get("ZIG_GLOBAL_CACHE_DIR") or str(CACHE.parent / "zig")
    return {"ZIG_GLOBAL_CACHE_DIR": place, "ZIG_LOCAL_CACHE_DIR": place}


def command(target: Target) -> list[str]:
    spec = importlib.util.find_spec("ziglang")
    if not spec or not spec.origin:
        raise commands.Refusal("ziglang (PyPI) is not installed: tools/wheels/requirements.txt")
    return [str(Path(spec.origin).parent / "zig"), "cc", "-target", target.triple]


def go_environment(target: Target) -> dict[str, str]:
    """cgo's flags are -O2 -g where nobody says so; debug information is stripped anyway."""
    compiler = {"CC": shlex.join(command(target)), "CGO_CFLAGS": "-O2 -g0", "CGO_ENABLED": "1"}
    return {**environment(), **compiler, "GOOS": "linux", "GOARCH": target.goarch}


def compile_extension(root: Path, recipe: Recipe, target: Target, headers: Headers, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    commands.output(
        *command(target),
        *ALWAYS,
        *recipe.c_flags,
        *headers.flags,
        *recipe.sources,
        *recipe.link_flags,
        *("-s", "-o", out),
        cwd=root,
        env=environment(),
    )
