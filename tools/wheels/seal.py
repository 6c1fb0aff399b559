"""Adds the SBOM to wheels that others built, and packs them as ours: the last step of cibuildwheel's.

SOURCE_DATE_EPOCH=SECONDS python -m wheels.seal FOLDER
"""

import os
import sys
import tempfile
from pathlib import Path

from . import archive, wheel
from .tree import Tree

ROOT = Path(__file__).resolve().parents[2]


def seal(path: Path, tree: Tree) -> None:
    members = archive.read(path)
    place = archive.dist_info(members)
    version = place.removesuffix(".dist-info").split("-")[1]
    with tempfile.NamedTemporaryFile(suffix=".so") as library:
        library.write(members["goloop/_engine.so"])
        library.flush()
        members[f"{place}/sboms/goloop.cdx.json"] = wheel.bill(tree, version, Path(library.name), "")
    archive.write(members, path, tree.epoch)


if __name__ == "__main__":
    for each in sorted(Path(sys.argv[1]).glob("*.whl")):
        seal(each, Tree(ROOT, int(os.environ["SOURCE_DATE_EPOCH"]), ""))
