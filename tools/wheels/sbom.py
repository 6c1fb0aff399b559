"""What is in the engine, as CycloneDX: each Go module with its version and checksum, and Go's standard library.

Read from the library itself, where Go's linker notes it; so it tells of what was linked and not of what go.mod asks for.
"""

import datetime
import json
import re
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
LICENCES = {"golang.org/x/sys": "BSD-3-Clause", "github.com/go-python/gopy": "BSD-3-Clause"}


@dataclass(frozen=True)
class BuildInfo:
    """What `go version -m` prints: Go's version, and the path, version and checksum of each module."""

    go: str
    modules: list[tuple[str, str, str]] = field(default_factory=list)


def read(printed: str) -> BuildInfo:
    lines = printed.splitlines()
    words = [line.split() for line in lines[1:]]
    return BuildInfo(
        lines[0].rsplit(" go", 1)[1].split()[0],
        [(line[1], line[2], line[3]) for line in words if line and line[0] == "dep"],
    )


def required(go_mod: str, module: str) -> str:
    """The version of a module that go.mod asks for."""
    found = re.search(rf"^\s*{re.escape(module)} (\S+)", go_mod, re.MULTILINE)
    if not found:
        raise ValueError(f"go.mod asks for no {module}")
    return found[1]


def component(name: str, version: str, checksum: str = "", licence: str = "BSD-3-Clause") -> Json:
    purl = f"pkg:golang/{name}@{version}"
    made: Json = {"type": "library", "bom-ref": purl, "name": name, "version": version, "scope": "required"}
    made["licenses"] = [{"license": {"id": licence}}]
    made["purl"] = purl
    if checksum:  # of the module's files, by Go's own rule; it is none of CycloneDX's kinds
        made["properties"] = [{"name": "go:sum", "value": checksum}]
    return made


def document(version: str, info: BuildInfo, gopy: str, zig: str, epoch: int) -> Json:
    """gopy is in no module list: code that it wrote is compiled in, and it is not."""
    parts = [component("std", info.go)]
    parts += [component(path, found, checksum, LICENCES[path]) for path, found, checksum in info.modules]
    written = component("github.com/go-python/gopy", gopy)
    written["description"] = "wrote the binding of the control plane; parts of its preamble are in it"
    parts.append(written)
    itself = f"pkg:pypi/goloop@{version}"
    when = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc)
    tools = [
        {"type": "application", "name": "go", "version": info.go},
        {"type": "application", "name": "zig", "version": zig},
    ]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [tool for tool in tools if tool["version"]]},
            "component": {
                "type": "library",
                "bom-ref": itself,
                "name": "goloop",
                "version": version,
                "licenses": [{"license": {"id": "MIT"}}],
                "purl": itself,
            },
        },
        "components": parts,
        "dependencies": [
            {"ref": itself, "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }


def text(bom: Json) -> str:
    return json.dumps(bom, indent=1) + "\n"
