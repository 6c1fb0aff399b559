"""Docstrings as the site shows them: the roles of reStructuredText, and its literals, are code here."""

import re

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):`([^`]+)`")
LITERAL = re.compile(r"``([^`]+)``")


class Roles(griffe.Extension):
    def on_object(self, *, obj, **kwargs):
        if obj.docstring:
            obj.docstring.value = LITERAL.sub(r"`\1`", ROLE.sub(shown, obj.docstring.value))


def shown(found):
    name = found[1]
    own = name.startswith("goloop.")
    return f"[`{name}`][{name}]" if own else f"`{name}`"
