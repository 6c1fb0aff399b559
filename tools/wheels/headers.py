"""C headers of CPythons that need not be here.

Debian's packages have them for both architectures, so they come first: the bytes that are built do not depend on what this
machine has. Else those of a Python that tools/find-python finds are taken. They serve the other architecture too: the
two differ in what tells of assembler, wchar_t and the tier of support, and nothing of ours reads that. The
free-threaded ones are the same files, read with Py_GIL_DISABLED.
"""

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import commands
from .commands import Refusal
from .target import GOARCH

SUITES = {"3.11": "bookworm", "3.13": "trixie", "3.14": "sid", "3.15": "sid"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "goloop" / "headers"
APT_CONF = """\
Dir::Etc::SourceList "{0}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "{0}/lists";
Dir::State::Status "/dev/null";
Dir::Cache "{0}/cache";
APT::Architectures "{1}";
APT::Sandbox::User "";
"""


@dataclass(frozen=True)
class Headers:
    origin: str
    folders: tuple[Path, ...]
    defines: tuple[str, ...] = ()

    @property
    def flags(self) -> list[str]:
        return [*(f"-I{folder}" for folder in self.folders), *self.defines]


def find(python: str, root: Path) -> Headers:
    """The headers of python ("3.13", "3.13t"); raises Refusal."""
    number = python.removesuffix("t")
    try:
        folder, version = of_debian(number)
        # Its pyconfig.h includes <ARCH-linux-gnu/python3.N/pyconfig.h>.
        found = Headers(f"Debian {version}", (folder / "usr/include", folder / f"usr/include/python{number}"))
    except Refusal as missing:
        local = commands.output(root / "tools" / "find-python", number)
        if not local:
            raise Refusal(
                f"no headers of CPython {number}: {missing}; tools/find-python finds none either"
            ) from None
        include = commands.output(local, "-c", "import sysconfig; print(sysconfig.get_path('include'))")
        version = commands.output(local, "-c", "import platform; print(platform.python_version())")
        found = Headers(f"local {version}", (Path(include),))
    if python != number:
        found = Headers(found.origin, found.folders, ("-DPy_GIL_DISABLED=1",))
    return found


def of_debian(number: str) -> tuple[Path, str]:
    """The root and the version of libpython3.N-dev, unpacked for all architectures into one folder."""
    suite = SUITES.get(number)
    if not suite:
        raise Refusal(f"Debian has no CPython {number}")
    kept = CACHE / number
    stamp = kept / "version"
    if not stamp.exists():
        if not shutil.which("apt-get"):
            raise Refusal("no apt-get, which fetches them from Debian")
        # Of this process, and moved when it is whole: another may do the same.
        work = CACHE / f"{number}.{os.getpid()}"
        try:
            version = fetch(f"libpython{number}-dev", suite, work)
            (work / "root" / "version").write_text(version)
            shutil.rmtree(kept, ignore_errors=True)
            (work / "root").rename(kept)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return kept, stamp.read_text()


def mirror() -> str:
    """That of this machine's apt where it is Debian."""
    sites = commands.output("apt-get", "indextargets", "--format", "$(SITE)", "Origin: Debian").split()
    return sites[0] if sites else "http://deb.debian.org/debian"


def fetch(package: str, suite: str, work: Path) -> str:
    """Unpack a Debian package of each architecture into work/root, with lists and settings of our own; its version."""
    for folder in ("lists/partial", "cache/archives/partial", "root"):
        (work / folder).mkdir(parents=True)
    architectures = ",".join(GOARCH.values())
    (work / "sources.list").write_text(f"deb [arch={architectures}] {mirror()} {suite} main\n")
    (work / "apt.conf").write_text(APT_CONF.format(work, architectures))
    env = {"APT_CONFIG": str(work / "apt.conf")}
    commands.output("apt-get", "update", "-q", env=env)
    wanted = [f"{package}:{architecture}" for architecture in GOARCH.values()]
    commands.output("apt-get", "download", "-q", *wanted, cwd=work, env=env)
    for package_file in sorted(work.glob("*.deb")):
        commands.output(
            "sh",
            "-c",
            f"dpkg-deb --fsys-tarfile {shlex.quote(str(package_file))} | tar -x -C root ./usr/include",
            cwd=work,
        )
    return commands.output("dpkg-deb", "-f", next(work.glob("*.deb")), "Version")
