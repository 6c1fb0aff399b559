"""Docstrings as the site shows them: roles and literals of reStructuredText are code, the fields of a dataclass are a table."""

import re

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):`([^`]+)`")
LITERAL = re.compile(r"``([^`]+)``")


class Roles(griffe.Extension):
    def on_object(self, *, obj, **kwargs):
        if obj.docstring:
            obj.docstring.value = LITERAL.sub(r"`\1`", ROLE.sub(shown, obj.docstring.value))


class Fields(griffe.Extension):
    """Runs after the other: what it takes has been through that."""

    def on_package(self, *, pkg, **kwargs):
        for each in (pkg["metrics.Times"], pkg["metrics.Metrics"]):
            rows = ["| field | type | |", "|---|---|---|"]
            for name, field in each.members.items():
                if field.is_attribute:
                    meaning = field.docstring.value.replace("\n", " ") if field.docstring else ""
                    rows.append(f"| `{name}` | `{field.annotation}` | {meaning} |")
            each.docstring.value += "\n\n" + "\n".join(rows)


def shown(found):
    name = found[1]
    own = name.startswith("goloop.")
    return f"[`{name}`][{name}]" if own else f"`{name}`"
