"""What is checked of a wheel once it is built, without running it; and, where its Python is here, by running it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import archive, commands
from .commands import Refusal
from .target import GLIBC, Target
from .wheel import glibc

SAYS = (
    "import asyncio, goloop; assert goloop.run(asyncio.sleep(0, 'runs')) == 'runs'; "
    "from goloop import _core; print(_core.__file__)"
)


def audit(path: Path, target: Target) -> str:
    """Raises Refusal unless the wheel is what its name says; else one word of what was checked."""
    members = archive.read(path)
    place = archive.dist_info(members)
    shown = commands.output(sys.executable, "-m", "auditwheel", "show", path)
    if target.policy not in " ".join(shown.split()):
        raise Refusal(f"auditwheel does not call {path.name} {target.policy}: {shown}")
    if tuple(map(int, glibc(path).split("."))) > GLIBC:
        raise Refusal(f"{path.name} asks for glibc {glibc(path)}")
    kept = {name: content for name, content in members.items() if name != f"{place}/RECORD"}
    if members[f"{place}/RECORD"] != archive.record(kept, f"{place}/RECORD"):
        raise Refusal(f"the RECORD of {path.name} is not of its files")
    for name in (f"goloop/_core{target.ext_suffix}", "goloop/_engine.so", f"{place}/licenses/LICENSE"):
        if name not in members:
            raise Refusal(f"{path.name} has no {name}")
    validate(members[f"{place}/sboms/goloop.cdx.json"].decode())
    return "auditwheel, RECORD, SBOM"


def validate(bom: str) -> None:
    """By the schema of CycloneDX."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    version = SchemaVersion.from_version(json.loads(bom)["specVersion"])
    if error := JsonStrictValidator(version).validate_str(bom):
        raise Refusal(f"the SBOM is not CycloneDX: {error}")


def run(path: Path, target: Target, root: Path) -> str:
    """Install the wheel in a fresh venv of its Python, if there is one that can run it; else say nothing."""
    if target.arch != os.uname().machine:
        return ""
    python = commands.output(root / "tools" / "find-python", target.python)
    if not python:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        commands.output(python, "-m", "venv", venv)
        inside = venv / "bin" / "python"
        commands.output(inside, "-m", "pip", "install", "-q", "--no-index", "--no-deps", path)
        done = subprocess.run(
            [inside, "-I", "-c", SAYS], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode or not done.stdout.startswith(folder):
            raise Refusal(f"{path.name} does not run on {python}: {done.stdout}{done.stderr}")
    return "runs here"
