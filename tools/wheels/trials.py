"""Tries the wheels that lie in dist/, each where it can be run, and prints a line for each outcome.

python -m wheels.trials [--python 3.13 ...] [--arch x86_64 ...]

CPython 3.13's for x86_64: in tools/oldest. The others for x86_64: on a Python that tools/find-python finds, or in tools/sid.
Those for aarch64: in tools/emulated. Of each architecture, all wheels have the same engine; each has an extension of its own.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import commands
from .target import GOARCH, PYTHONS, Target

ROOT = Path(__file__).resolve().parents[2]
TRIAL = "tools/wheels/trial.py"
OLDEST, SID, EMULATED = "3.13", ("3.14", "3.15"), ("3.11", "3.13", "3.14", "3.15")
# Where glibc and kernel matter, in a minute or two.
SYSTEM_NEAR = "import scheduling tcp streams tls unix datagram pipes subprocess signals fork names sendfile timers threads"
TESTS = [f"test_{name}.py" for name in SYSTEM_NEAR.split()]
SECONDS = 900  # that one trial may take


def find(target: Target) -> Path | None:
    found = sorted((ROOT / "dist").glob(f"goloop-*-{target.interpreter}-{target.abi}-*_{target.arch}.whl"))
    return found[-1] if found else None


def emulated(target: Target, wheel: Path, share: Path) -> list[str]:
    """Let this pip, told of that system, choose the wheel and unpack it: an emulated pip takes minutes."""
    what = ("--platform", target.policy, "--python-version", target.number, "--abi", target.abi)
    options = ("--implementation", "cp", "--only-binary=:all:", "--no-deps", "--no-index", "--target", share)
    commands.output(sys.executable, "-m", "pip", "install", "-q", *what, *options, wheel)
    python = f"/usr/bin/python{target.number}"
    return ["tools/emulated", target.number, python, f"/goloop/{TRIAL}", "--patience", "20"]


def command(target: Target, wheel: Path, share: Path) -> list[str]:
    """What tries the wheel; empty where nothing here can run it."""
    inside = [f"/goloop/{TRIAL}", "--wheel", f"/goloop/dist/{wheel.name}", "--uvicorn"]
    if target.arch == "aarch64":
        return emulated(target, wheel, share) if target.python in EMULATED else []
    if target.python == OLDEST:
        return ["tools/oldest", f"python{OLDEST}", *inside, "--tests", *TESTS]
    if target.python in SID:
        return ["tools/sid", f"python{target.python}", *inside]
    local = commands.output(ROOT / "tools/find-python", target.python)
    uvicorn = [] if target.free_threaded else ["--uvicorn"]  # its httptools has no wheel for all of them
    return [local, TRIAL, "--wheel", str(wheel), *uvicorn] if local else []


def attempt(target: Target, wheel: Path) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        words = command(target, wheel, Path(folder))
        if not words:
            print(
                f"{wheel.name}: NOT RUN: no CPython {target.python} for {target.arch} can be had", flush=True
            )
            return True
        print(f"== {wheel.name}: {words[0]}", flush=True)
        environment = ["env", f"EMULATED_SHARE={folder}"]
        limit = ["timeout", "-s", "KILL", str(SECONDS)]
        return subprocess.run([*environment, *limit, *words], cwd=ROOT, check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make test-wheels", description=__doc__)
    parser.add_argument("--python", action="append", help=f"one of {', '.join(PYTHONS)}; all of them")
    parser.add_argument("--arch", action="append", choices=list(GOARCH), help="both")
    options = parser.parse_args()
    if not shutil.which("timeout"):
        print("tools/wheels: wheels are tried on Linux", file=sys.stderr)
        return 1
    targets = [
        Target(python, arch) for arch in options.arch or GOARCH for python in options.python or PYTHONS
    ]
    wheels = [(target, wheel) for target in targets if (wheel := find(target))]
    failed = [wheel.name for target, wheel in wheels if not attempt(target, wheel)]
    for name in failed:
        print(f"{name}: FAILED")
    if not wheels:
        print("tools/wheels: dist/ has no such wheel: make wheels", file=sys.stderr)
    return 1 if failed or not wheels else 0


if __name__ == "__main__":
    sys.exit(main())
