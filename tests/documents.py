"""The blocks of code in Markdown, and where its links lead."""

import pathlib
import re
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCED = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[(?:[^][]|\[[^]]*\])*\]\(([^)\s]+)\)")
SINCE = re.compile(r"# Python 3\.(\d+) and newer\n")


@dataclass
class Block:
    """A fenced block, the heading above it, and the rest of the text up to the next block."""

    language: str
    title: str | None
    text: str
    heading: str
    after: str

    @property
    def since(self):
        """The Python that it asks for in its first line."""
        found = SINCE.match(self.text)
        return (3, int(found[1])) if found else (3, 10)


def blocks(file):
    text = (ROOT / file).read_text()
    found = list(FENCED.finditer(text))
    ends = [each.start() for each in found[1:]] + [len(text)]
    return [
        Block(
            each[1],
            each[2],
            each[3],
            re.findall(r"^#+ (.*)$", FENCED.sub("", text[: each.start()]), re.MULTILINE)[-1],
            text[each.end() : end],
        )
        for each, end in zip(found, ends)
    ]


def slug(heading):
    """The anchor of a heading, as repositories' pages make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def dead_links(file):
    """The links of a file that lead to no file of the tree, or to no heading of it."""
    path = ROOT / file
    dead = []
    for link in LINK.findall(FENCED.sub("", path.read_text())):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists():
            dead.append(link)
        elif anchor:
            headings = re.findall(r"^#+ (.*)$", FENCED.sub("", target.read_text()), re.MULTILINE)
            dead += [link] if anchor not in map(slug, headings) else []
    return dead


def matches(wanted, got):
    """Whether a text is as documented, where … stands for anything."""
    pattern = ".*".join(re.escape(part) for part in wanted.strip().split("…"))
    return re.fullmatch(pattern, got.strip(), re.DOTALL)
