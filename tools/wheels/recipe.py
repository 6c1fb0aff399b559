"""How setup.py would build: its flags and files, read from itself, so that there is one place for them."""

import os
import runpy
import unittest.mock
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recipe:
    """Paths are relative to the tree."""

    sources: list[str]
    c_flags: list[str]
    link_flags: list[str]
    go_build: list[str]
    go_package: str
    stable_flag: str


def read(root: Path) -> Recipe:
    with (
        unittest.mock.patch("setuptools.setup") as setup,
        unittest.mock.patch.dict(os.environ),
    ):
        for choice in ("GOLOOP_SYMBOLS", "GOLOOP_METRICS"):
            os.environ.pop(choice, None)
        names = runpy.run_path(str(root / "setup.py"))
    extension, library = setup.call_args.kwargs["ext_modules"]
    return Recipe(
        sources=extension.sources,
        c_flags=[*extension.extra_compile_args, *(f"-I{folder}" for folder in extension.include_dirs)],
        link_flags=[*extension.extra_link_args, *(f"-l{name}" for name in extension.libraries)],
        go_build=list(names["GO_BUILD"]),
        go_package=library.package,
        stable_flag=names["STABLE_FLAG"],
    )
