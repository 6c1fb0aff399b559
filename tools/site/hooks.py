"""What mkdocs does not know of this tree: pages that lie outside of docs/, links that lead there, and what may not be fetched.

A link works on the repository's page, where it is relative to the file it stands in. Here it becomes the page that the file is
in the site; what is in no page keeps its words and loses the link. One that leads nowhere is a warning, which --strict fails for.
"""

import logging
import pathlib
import posixpath
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The file of each page that is not in docs/. Where there is none, there is no page, and no entry in the navigation.
ELSEWHERE = {
    "benchmarks.md": "benchmarks/README.md",
    "changelog.md": "CHANGELOG.md",
    "conformance.md": "tests/conformance/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
PAGES = {file: page for page, file in ELSEWHERE.items()} | {"README.md": "index.md"}

FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(
    r"(?P<image>!?)\[(?P<words>(?:[^][]|\[[^]]*\])*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)"
)
# What a page would load from elsewhere: elements, style sheets, and the theme's script.
FETCHED = {
    "*.html": re.compile(
        r"""<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=["']?((?:https?:)?//[^"'>\s]+)"""
    ),
    "*.css": re.compile(r"""(?:@import|url\()\s*["']?((?:https?:)?//[^"')\s]+)"""),
    "*.js": re.compile(
        r"https://(?:unpkg\.com|cdn\.jsdelivr\.net|cdnjs\.cloudflare\.com|fonts\.\w+\.com)/[^\"'\s]*"
    ),
}
# Old browsers' substitute, and diagrams, of which there are none: the theme asks for these where a page needs them.
UNNEEDED = re.compile(r"https://unpkg\.com/(?:resize-observer-polyfill|mermaid@[^\"]*)")

log = logging.getLogger("mkdocs.plugins.goloop")


def exists(page):
    return (ROOT / ELSEWHERE.get(page, f"docs/{page}")).is_file()


def pruned(nav):
    """The navigation without the pages that are not there."""
    kept = []
    for entry in nav:
        if isinstance(entry, str):
            kept += [entry] if exists(entry) else []
            continue
        ((title, value),) = entry.items()
        value = pruned(value) if isinstance(value, list) else value if exists(value) else None
        kept += [{title: value}] if value else []
    return kept


def on_config(config):
    config.nav = pruned(config.nav)
    config.watch += [str(ROOT / file) for file in ELSEWHERE.values() if (ROOT / file).is_file()]
    return config


def on_files(files, config):
    for page, file in ELSEWHERE.items():
        if exists(page):
            files.append(File.generated(config, page, content=(ROOT / file).read_text()))
    return files


def relinked(text, file):
    """The Markdown of a file, with links for the site."""
    folder = posixpath.dirname(file)

    def link(found):
        target = found["target"]
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if not (ROOT / path).exists():
            log.warning("%s links to %s, which is not there", file, target)
        elif path in PAGES or path.startswith("docs/"):
            place = PAGES.get(path) or path.removeprefix("docs/")
            return f"{found['image']}[{found['words']}]({place}{found['anchor'] or ''})"
        return found["words"]

    # What stands in a block of code is no link.
    parts, end = [], 0
    for block in FENCED.finditer(text):
        parts += [LINK.sub(link, text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, LINK.sub(link, text[end:])])


def on_page_markdown(markdown, page, config, files):
    name = page.file.src_uri
    return relinked(markdown, ELSEWHERE.get(name, f"docs/{name}"))


def on_post_build(config):
    """The site needs nobody else's server."""
    site = pathlib.Path(config.site_dir)
    for path in site.rglob("*.map"):
        path.unlink()
    for path in site.rglob("*.js"):
        path.write_text(UNNEEDED.sub("about:blank", path.read_text()))
    for pattern, fetched in FETCHED.items():
        for path in site.rglob(pattern):
            for address in fetched.findall(path.read_text()):
                log.warning("%s would load %s", path.relative_to(site), address)
