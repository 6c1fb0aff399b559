"""docs/from-uvloop.md: each program does on each loop what its table says."""

import re
import sys

import pytest

from documents import ROOT, blocks

if not (ROOT / "docs" / "from-uvloop.md").exists():
    pytest.skip("the documentation is not here", allow_module_level=True)

PROGRAMS = [block for block in blocks("docs/from-uvloop.md") if block.language == "python"]
ROW = re.compile(r"^\| ([a-z, ]+) \| (raises )?`([^`]+)` \|$", re.MULTILINE)
RUN = """
import importlib
loop = importlib.import_module({loop!r}).new_event_loop()
try:
    loop.run_until_complete(main())
except Exception as exc:
    print("raises", type(exc).__name__)
finally:
    loop.close()
"""


def documented(block):
    """What a table says, by loop."""
    return {
        loop: (raises or "") + text
        for loops, raises, text in ROW.findall(block.after)
        for loop in loops.split(", ")
    }


def test_every_program_has_a_table(loop_name):
    assert PROGRAMS
    assert all(loop_name in documented(block) for block in PROGRAMS)


@pytest.mark.compared
@pytest.mark.linux_only
@pytest.mark.parametrize("block", [pytest.param(block, id=block.heading) for block in PROGRAMS])
def test_programs_do_what_the_page_says(loop_name, block, script):
    if sys.version_info < block.since:
        pytest.skip("asks for a newer Python")
    wanted = documented(block).get(loop_name)
    if wanted is None:
        pytest.skip("the page does not say")
    out = script(block.text + RUN.format(loop=loop_name))
    assert out.strip() == wanted
