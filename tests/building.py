"""Building goloop with the programs that a test names, shell scripts, and no others."""

import os
import pathlib
import shlex
import subprocess
import sys
import sysconfig

TREE = pathlib.Path(__file__).resolve().parent.parent
COMPILER = shlex.split(sysconfig.get_config_var("CC"))[0]
WORKS = "exit 0"
# Preludes. musl's confstr knows the name and says EINVAL; other C libraries may not know it, or have no value.
OTHER_LIBC = {
    name: f"import os\ndef confstr(name): {body}\nos.confstr = confstr"
    for name, body in {
        "musl": "raise OSError(22, 'Invalid argument')",
        "unknown name": "raise ValueError('unrecognized configuration name')",
        "no value": "return None",
    }.items()
}
# Whether pybindgen is installed.
PYBINDGEN = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: {found} if name == "pybindgen" else find(name)
"""


def go(version, *, build=WORKS, run=WORKS):
    """A shell script that says what Go's command says, and builds nothing."""
    return f"""case $1 in
        version) echo "go version {version} linux/amd64" ;;
        env) echo {COMPILER} ;;
        build) {build} ;;
        run) {run} ;;
    esac"""


def write_program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def run_python(code, path, **environment):
    """Runs code in the tree, with path, a folder, as PATH; returns its exit status and the lines that it wrote."""
    of_the_machine = ("CC", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")  # setuptools warns of the last
    rest = {name: value for name, value in os.environ.items() if name not in of_the_machine}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=TREE,
        env={**rest, "PATH": str(path), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout.splitlines()


def run_setup(folder, prelude="", **environment):
    """Builds with the programs in this folder, into it."""
    arguments = ["setup.py", "-q", "build", "--build-base", str(folder / "build")]
    code = f"import runpy, sys\n{prelude}\nsys.argv[:] = {arguments!r}\nrunpy.run_path('setup.py')"
    return run_python(code, folder, **environment)
