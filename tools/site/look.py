"""Looks at each page of the site in Chromium, light and dark, wide and narrow: PNGs in build/look.

Fails for a page that is wider than its window, fetches from elsewhere, has an image that does not load, or an error of a script.
"""

import contextlib
import functools
import http.server
import pathlib
import shutil
import sys
import threading

from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
SITE, LOOK = ROOT / "build" / "site", ROOT / "build" / "look"
WINDOWS = {"": (1280, 900), "-narrow": (390, 800)}
PIECE = 2000  # pixels of a page that are one picture


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def served():
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def look(browser, base, name, scheme, window):
    """Pictures of a page, from its top down; what is wrong with it."""
    width, height = WINDOWS[window]
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    page, wrong = context.new_page(), []
    page.on(
        "request",
        lambda request: (
            request.url.startswith((base, "data:", "blob:")) or wrong.append(f"fetches {request.url}")
        ),
    )
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.goto(base + name, wait_until="load")
    page.wait_for_timeout(200)
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if over > 0:
        wrong.append(f"{over} pixels wider than a window of {width}")
    broken = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
    wrong += [f"no image at {src}" for src in broken]
    tall = max(height, page.evaluate("document.documentElement.scrollHeight"))
    page.set_viewport_size({"width": width, "height": tall})
    for top in range(0, tall, PIECE):
        clip = {"x": 0, "y": top, "width": width, "height": min(PIECE, tall - top)}
        piece = f"-{top // PIECE + 1}" if tall > PIECE else ""
        page.screenshot(path=LOOK / f"{pathlib.PurePath(name).stem}-{scheme}{window}{piece}.png", clip=clip)
    context.close()
    return [f"{name}, {scheme}: {each}" for each in wrong]


def main():
    chromium = shutil.which("chromium")
    if not chromium:
        return "docs-look needs a chromium on PATH (Debian, as root: apt install chromium)"
    shutil.rmtree(LOOK, ignore_errors=True)
    LOOK.mkdir(parents=True)
    pages = sys.argv[1:] or sorted(str(path.relative_to(SITE)) for path in SITE.glob("*.html"))
    wrong = []
    with served() as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in pages:
            for scheme in ("light", "dark"):
                for window in WINDOWS:
                    wrong += look(browser, base, name, scheme, window)
        browser.close()
    print(f"{len(pages)} pages, in {LOOK.relative_to(ROOT)}")
    return "\n".join(wrong) or None


if __name__ == "__main__":
    sys.exit(main())
