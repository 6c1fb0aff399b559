"""What the documentation says is so: its programs run, and its links lead somewhere."""

import os
import subprocess
import sys

import pytest

from documents import ROOT, blocks, dead_links, matches

if not (ROOT / "docs" / "index.md").exists():
    pytest.skip("the documentation is not here", allow_module_level=True)

WRITTEN = [
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *("benchmarks/README.md", "tests/conformance/README.md"),
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
]


def run(*command, cwd):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GOLOOP_", "COV_"))}
    env["PATH"] = os.path.dirname(sys.executable) + os.pathsep + env["PATH"]
    env |= {"PYTHONWARNINGS": "default", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=25)


@pytest.mark.goloop_only
@pytest.mark.parametrize("file", [file for file in WRITTEN if (ROOT / file).exists()])
def test_links_lead_to_files_and_headings(file):
    assert dead_links(file) == []


@pytest.mark.goloop_only
@pytest.mark.linux_only
@pytest.mark.parametrize(
    "number", range(sum(block.language == "console" for block in blocks("docs/tutorial.md")))
)
def test_tutorial(number, tmp_path):
    # Each console is right with the files above it, and with those of the steps before.
    consoles = 0
    for block in blocks("docs/tutorial.md"):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
        elif block.language == "console":
            if consoles == number:
                break
            consoles += 1
    for step in block.text.removeprefix("$ ").split("\n$ "):
        command, _, wanted = step.partition("\n")
        done = run("sh", "-c", command, cwd=tmp_path)
        assert matches(wanted, done.stdout), (command, done.stdout, done.stderr)
        assert done.stderr == ""


@pytest.mark.linux_only
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(
            (block, following),
            id=f"{number} {block.heading}",
            marks=[pytest.mark.with_gil] if "RLIMIT_AS" in block.text else [],
        )
        for number, (block, following) in enumerate(
            zip(blocks("docs/troubleshooting.md"), blocks("docs/troubleshooting.md")[1:])
        )
        if block.language == "python"
    ],
)
@pytest.mark.goloop_only
def test_troubleshooting(block, tmp_path):
    program, result = block
    assert result.language == "text"
    (tmp_path / "program.py").write_text(program.text)
    done = run(sys.executable, "program.py", cwd=tmp_path)
    assert matches(result.text, done.stdout), (done.stdout, done.stderr)
    assert done.stderr == ""


@pytest.mark.goloop_only
def test_first_page(tmp_path):
    (program,) = (block for block in blocks("docs/index.md") if block.language == "python")
    (tmp_path / "program.py").write_text(program.text)
    done = run(sys.executable, "program.py", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("on goloop.loop\n", "")
