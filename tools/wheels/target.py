"""What a wheel is for: a CPython and an architecture, and the names that both give to things."""

import re
from dataclasses import dataclass

# The oldest that there is for aarch64, and the oldest that Go's and CPython 3.10's own users have: manylinux2014.
GLIBC = (2, 17)
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.13t", "3.14", "3.14t", "3.15", "3.15t")
GOARCH = {"x86_64": "amd64", "aarch64": "arm64"}  # Debian's names are the same


@dataclass(frozen=True)
class Target:
    """python: "3.13", or "3.13t" for the free-threaded one; arch: "x86_64" or "aarch64"."""

    python: str
    arch: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"3\.\d+t?", self.python):
            raise ValueError(f"{self.python!r} is no Python; 3.13 or 3.13t is")
        if self.arch not in GOARCH:
            raise ValueError(f"{self.arch!r} is not one of {', '.join(GOARCH)}")

    @property
    def number(self) -> str:
        return self.python.removesuffix("t")

    @property
    def free_threaded(self) -> bool:
        return self.python.endswith("t")

    @property
    def goarch(self) -> str:
        return GOARCH[self.arch]

    @property
    def triple(self) -> str:
        """As zig writes it."""
        return f"{self.arch}-linux-gnu.{GLIBC[0]}.{GLIBC[1]}"

    @property
    def interpreter(self) -> str:
        return "cp" + self.number.replace(".", "")

    @property
    def abi(self) -> str:
        return "cp" + self.python.replace(".", "")

    @property
    def ext_suffix(self) -> str:
        """What sysconfig calls EXT_SUFFIX there."""
        return f".cpython-{self.abi.removeprefix('cp')}-{self.arch}-linux-gnu.so"

    @property
    def engine(self) -> str:
        """The ABI of Python that the engine's library is for. All Pythons with a GIL share one."""
        return self.python if self.free_threaded else "abi3"

    @property
    def policy(self) -> str:
        return f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{self.arch}"

    @property
    def built_tag(self) -> str:
        """The wheel's tag before auditwheel has looked at it."""
        return f"{self.interpreter}-{self.abi}-linux_{self.arch}"
