"""Builds wheels into dist/, or what --out names, and prints a table of them.

python -m wheels [--python 3.13 ...] [--arch x86_64 ...] [--twice]
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from . import check, compiler, engine, headers, recipe, tree, wheel
from .commands import Refusal
from .target import GOARCH, PYTHONS, Target

ROOT = Path(__file__).resolve().parents[2]
Built = dict[Target, Path]


def build(targets: list[Target], work: Path, out: Path) -> Built:
    """Build the wheels of all targets whose headers can be had; a line for each that is left out."""
    source = tree.copy(ROOT, work / "tree")
    print(f"goloop at {source.commit}, SOURCE_DATE_EPOCH={source.epoch}", flush=True)
    plan = recipe.read(source.root)
    project = wheel.project(source, work / "project")
    built: Built = {}
    for target in targets:
        try:
            found = headers.find(target.python, ROOT)
            stable = found if target.free_threaded else headers.find(engine.STABLE_HEADERS, ROOT)
        except Refusal as why:
            print(f"{target.python} {target.arch}: NOT BUILT, left to .github/workflows/wheels.yml: {why}")
            continue
        library = work / target.arch / target.engine / "_engine.so"
        if not library.exists():
            engine.build(source.root, plan, target, stable, library)
        extension = work / target.arch / f"_core{target.ext_suffix}"
        compiler.compile_extension(source.root, plan, target, found, extension)
        packed = wheel.pack(source, project, target, extension, library, work / "built")
        built[target] = wheel.repair(source, packed, target, out)
        print(f"{built[target].name}: headers of {found.origin}", flush=True)
    return built


def compare(targets: list[Target], first: Built) -> None:
    """Build all again in another folder, with nothing kept from before; raises Refusal unless the bytes are the same."""
    with tempfile.TemporaryDirectory(prefix="goloop-again-") as folder:
        os.environ.update(GOCACHE=f"{folder}/go", ZIG_GLOBAL_CACHE_DIR=f"{folder}/zig")
        again = build(targets, Path(folder) / "another" / "path", Path(folder) / "dist")
        for target, path in first.items():
            digests = [hashlib.sha256(each.read_bytes()).hexdigest() for each in (path, again[target])]
            if digests[0] != digests[1]:
                shutil.copy(again[target], path.with_name("again-" + path.name))
                raise Refusal(f"{path.name} differs when it is built again: {' and '.join(digests)}")


def table(built: Built, checked: dict[Target, list[str]]) -> None:
    rows = [("wheel", "bytes", "glibc", "checked")]
    for target, path in built.items():
        size = f"{path.stat().st_size:,}"
        rows.append((path.name, size, wheel.glibc(path), ", ".join(filter(None, checked[target]))))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, size, glibc, what in rows:
        print(f"{name:{widths[0]}}  {size:>{widths[1]}}  {glibc:{widths[2]}}  {what}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make wheels", description=__doc__)
    parser.add_argument("--python", action="append", help=f"one of {', '.join(PYTHONS)}; all of them")
    parser.add_argument("--arch", action="append", choices=list(GOARCH), help="both")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--twice", action="store_true", help="build in two folders and compare the bytes")
    options = parser.parse_args()
    try:
        targets = [
            Target(python, arch) for arch in options.arch or GOARCH for python in options.python or PYTHONS
        ]
        work = ROOT / "build" / "wheels"
        shutil.rmtree(work, ignore_errors=True)
        built = build(targets, work, options.out)
        checked = {target: [check.audit(path, target)] for target, path in built.items()}
        for target, path in built.items():
            checked[target].append(check.run(path, target, ROOT))
        if options.twice:
            compare(targets, built)
            for words in checked.values():
                words.append("same bytes twice")
    except (Refusal, ValueError) as why:
        print(f"tools/wheels: {why}", file=sys.stderr)
        return 1
    table(built, checked)
    return 0 if built else 1


if __name__ == "__main__":
    sys.exit(main())
