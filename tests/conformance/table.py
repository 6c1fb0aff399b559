"""Prints the results that ``run.py --json`` left, as the table of the README.

python table.py FILE.json...
"""

import json
import pathlib
import sys

AREAS = {"mixins": "loop tests", "neutral": "everything else", "tornado": "tornado's tests"}


def cell(area):
    return f"{area['passed']:,} of {area['of']:,} ({area['made a loop']:,})" if area else ""


def in_order(version):
    """A key that puts the free-threaded "3.13.5t" behind 3.13.5."""
    return *map(int, version.rstrip("t").split(".")), version


def main(paths):
    results = [json.loads(pathlib.Path(path).read_text()) for path in paths]
    versions = sorted({result["python"] for result in results}, key=in_order)
    areas = {(result["python"], name): area for result in results for name, area in result["areas"].items()}
    print(f"| CPython | {' | '.join(AREAS.values())} |")
    print("|---" * (len(AREAS) + 1) + "|")
    for version in versions:
        print(f"| {version} | {' | '.join(cell(areas.get((version, name))) for name in AREAS)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
