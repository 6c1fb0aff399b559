"""The Go engine: gopy binds the control plane to one ABI of Python, then Go builds the library with zig."""

import os
import shlex
import sys
from pathlib import Path

from . import commands, compiler
from .headers import Headers
from .recipe import Recipe
from .target import Target

# Wheels of one commit are of one toolchain, which another one fetches as a Go module. SBOM and bytes follow from it.
TOOLCHAIN = "go1.26.8"
# Of the stable ABI all newer headers say the same; these are to be had for both architectures.
STABLE_HEADERS = "3.13"
SETTINGS = {"GOWORK": "off", "GOTOOLCHAIN": TOOLCHAIN, "GOFLAGS": "-mod=readonly", "GOENV": "off"}


def go(root: Path, *arguments: str | Path, env: dict[str, str] | None = None) -> str:
    kept = {name: value for name in ("GOPROXY", "GOSUMDB", "GONOSUMDB") if (value := os.environ.get(name))}
    return commands.output("go", *arguments, cwd=root, env={**SETTINGS, **kept, **(env or {})})


def build(root: Path, recipe: Recipe, target: Target, headers: Headers, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    flags = [*headers.flags, *([] if target.free_threaded else [recipe.stable_flag])]
    gengopy = [
        "-python",
        sys.executable,
        "-out",
        str(root / "build" / "gopy"),
        "-cflags",
        shlex.join(flags),
    ]
    go(root, "run", "./internal/gengopy", *gengopy, "./control")  # runs here, so it is built for here
    # The ID of a build is of paths and flags too. Go's -s leaves the external linker's own table of symbols.
    options = [
        f"{option} -buildid= -extldflags=-s" if option.startswith("-ldflags=") else option
        for option in recipe.go_build
    ]
    arguments = ["build", *options, "-o", str(out), recipe.go_package]
    go(root, *arguments, env=compiler.go_environment(target))
    out.with_suffix(".h").unlink()
