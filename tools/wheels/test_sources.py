"""What of the tree goes into wheels, and that what is said in two places is the same."""

import re
from pathlib import Path

import pytest

from wheels import commands, engine, recipe, sbom, tree

ROOT = Path(__file__).resolve().parents[2]


def test_the_recipe_is_setup_pys():
    plan = recipe.read(ROOT)
    assert (
        "pybind/ext/module.c" in plan.sources
        and "-std=c11" in plan.c_flags
        and "-Ipybind/ext" in plan.c_flags
    )
    assert any(option.startswith("-ldflags=-s -w ") for option in plan.go_build)
    assert plan.go_package == "./pybind" and plan.stable_flag == "-DPy_LIMITED_API=0x030a0000"


def test_symbols_are_not_asked_for(monkeypatch):
    monkeypatch.setenv("GOLOOP_SYMBOLS", "1")
    assert any(option.startswith("-ldflags=-s -w ") for option in recipe.read(ROOT).go_build)


def test_only_what_git_tracks_is_copied(tmp_path):
    git = ("git", "-c", "user.name=x", "-c", "user.email=x", "-C", tmp_path / "from")
    (tmp_path / "from").mkdir()
    commands.output(*git, "init", "-q")
    for name in ("setup.py", "README.md"):
        (tmp_path / "from" / name).write_text(name)
    commands.output(*git, "add", "setup.py")
    commands.output(
        *git, "commit", "-q", "-m", "x", "--date", "@1700000000", env={"GIT_COMMITTER_DATE": "@1700000000"}
    )
    copied = tree.copy(tmp_path / "from", tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["setup.py"]
    assert copied.epoch == 1_700_000_000 and not copied.commit.endswith("-dirty")


def test_a_folder_without_git_is_refused(tmp_path):
    with pytest.raises(commands.Refusal):
        tree.copy(tmp_path, tmp_path / "to")


@pytest.mark.parametrize(
    ("module", "name"), [("golang.org/x/sys", "golang.org-x-sys"), ("github.com/go-python/gopy", "gopy")]
)
def test_the_licence_of_a_module_is_its_own(module, name):
    commands.output("go", "mod", "download", module, cwd=ROOT)
    folder = commands.output("go", "list", "-m", "-f", "{{.Dir}}", module, cwd=ROOT)
    assert (ROOT / "licenses" / f"{name}.txt").read_bytes() == (Path(folder) / "LICENSE").read_bytes()
    assert module in sbom.LICENCES


def test_gos_licence_is_its_own():
    goroot = engine.go(ROOT, "env", "GOROOT")
    assert (ROOT / "licenses" / "go.txt").read_bytes() == (Path(goroot) / "LICENSE").read_bytes()


def test_one_toolchain_for_both_ways_to_build():
    workflow = (ROOT / ".github/workflows/wheels.yml").read_text()
    (version,) = re.findall(r'GO_VERSION: "(.+)"', workflow)
    assert f"go{version}" == engine.TOOLCHAIN
