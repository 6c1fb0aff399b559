"""Builds goloop's two shared objects; everything else stands in pyproject.toml.

``goloop/_core.<abi>.so`` is an ordinary C extension, one for each Python.
``goloop/_engine.so`` is the Go engine with its control plane, which gopy binds to Python's stable ABI. So it is the same for
all Pythons with a GIL; each without one has its own.
"""

import hashlib
import importlib.util
import os
import pathlib
import shlex
import shutil
import sys
import sysconfig

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist
from setuptools.errors import CCompilerError

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools" / "backend"))
import boundary  # noqa: E402
import compilers  # noqa: E402
import golang  # noqa: E402
from refusals import check_headers, check_platform, stop  # noqa: E402

# GOLOOP_METRICS=0 builds what counts nothing, for benchmarks/observed.py: the engine by a tag, the extension by a macro.
MEASURED = os.environ.get("GOLOOP_METRICS") != "0"
GO_BUILD = (
    f"-tags=gopy{'' if MEASURED else ',nometrics'}",
    *("-trimpath", "-buildvcs=false", "-buildmode=c-shared"),
    # asyncpreemptoff: the runtime then sends its threads no SIGURG. The other two: it
    # keeps no cgroup files open to follow its limits. GOLOOP_SYMBOLS=1 names functions for valgrind, perf and gdb.
    f"-ldflags={'' if os.environ.get('GOLOOP_SYMBOLS') == '1' else '-s -w '}-X=runtime.godebugDefault=asyncpreemptoff=1,containermaxprocs=0,updatemaxprocs=0",
)
STABLE, STABLE_FLAG = "abi3", "-DPy_LIMITED_API=0x030a0000"  # of Python 3.10 and newer
C_FLAGS = ["-O2", "-flto", "-std=c11", "-fvisibility=hidden", "-Wall", "-Wextra"]
if sys.platform == "linux":
    C_FLAGS.append("-fno-plt")  # CPython's functions are called without a jump between


class GoLibrary(Extension):
    """A Go package to be built as a C shared library."""

    def __init__(self, name, package, depends):
        super().__init__(name, sources=[], depends=depends)
        self.package = package


class BuildExt(build_ext):
    def run(self):
        check_platform()
        check_headers()
        self.go = golang.find()
        self.cc = compilers.find()
        os.environ.update(self.cc.env)
        self.go.env |= self.cc.env
        super().run()

    def get_ext_filename(self, fullname):
        if fullname.rpartition(".")[2] == "_engine":  # loaded with dlopen: no Python, no ABI in its name
            return os.path.join(*fullname.split(".")) + ".so"
        return super().get_ext_filename(fullname)

    def get_libraries(self, ext):
        return ext.libraries  # never libpython, whose symbols the interpreter brings

    def build_extensions(self):
        if not self.cc.configured:
            self.compiler.set_executables(**self.cc.executables())
        super().build_extensions()

    def build_extension(self, ext):
        if isinstance(ext, GoLibrary):
            self.build_go(ext)
            return
        try:
            super().build_extension(ext)
        except CCompilerError:
            # Perhaps of a compiler that cannot link all as one: that costs instructions, and nothing else.
            ext.extra_compile_args = [flag for flag in ext.extra_compile_args if flag != "-flto"]
            ext.extra_link_args = [flag for flag in ext.extra_link_args if flag != "-flto"]
            self.force = True
            super().build_extension(ext)

    def bind_control(self, abi):
        """Let gopy bind package control, into build/gopy, unless what lies there is of these sources and this ABI."""
        target = ROOT / "build" / "gopy"
        sources = sorted([*ROOT.glob("control/*.go"), *ROOT.glob("internal/gengopy/*.go"), ROOT / "go.mod"])
        digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
        includes = [
            f"-I{folder}" for folder in dict.fromkeys(map(sysconfig.get_path, ("include", "platinclude")))
        ]
        kept = target / "stamp"
        made = kept.read_text().split("\n") if kept.exists() else []
        if made[:2] == [digest, abi] and all(os.path.isdir(flag[2:]) for flag in made[2:]):
            return
        if not importlib.util.find_spec("pybindgen"):
            stop(
                "pybindgen (PyPI) to bind its control plane: install it, or build without --no-build-isolation."
            )
        command = ["run", "./internal/gengopy", "-python", sys.executable, "-out", str(target)]
        flags = includes if abi != STABLE else [*includes, STABLE_FLAG]
        command += ["-cflags", shlex.join(flags), "-stamp", "\n".join([digest, abi, *includes]), "./control"]
        self.announce(shlex.join(["go", *command]), level=2)
        done = self.go.run(*command, capture_output=True)
        if done.returncode:
            stop(f"gopy to bind its control plane, and it says: {' '.join(done.stderr.split())}")

    def build_go(self, ext):
        base = ROOT / self.get_finalized_command("build").build_base
        abi = f"{sys.implementation.cache_tag}t" if sysconfig.get_config_var("Py_GIL_DISABLED") else STABLE
        target = base / "engine" / abi / "_engine.so"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not compilers.find_program(self.go.output("env", "CC")):
            self.go.env["CC"] = self.cc.command
        self.bind_control(abi)
        command = ["build", *GO_BUILD, "-o", str(target), ext.package]
        self.announce(shlex.join(["go", *command]), level=2)
        if self.go.run(*command).returncode:
            stop("'go build' of its engine to succeed, and that failed for the reason above.")
        target.with_suffix(".h").unlink(missing_ok=True)
        place = pathlib.Path(self.get_ext_fullpath(ext.name))
        place.parent.mkdir(parents=True, exist_ok=True)
        # A new inode: a process that runs the old library keeps it whole.
        place.unlink(missing_ok=True)
        shutil.copy2(target, place)


class Sdist(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        golang.vendor(os.path.join(base_dir, "vendor"))


def files(*patterns):
    return sorted(str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern))


def build_base():
    """A CPython with a sanitizer has the name of one without in its ABI; what is compiled for it goes elsewhere."""
    return "build/sanitized" if "-fsanitize" in (sysconfig.get_config_var("CC") or "") else "build"


setup(
    options={"build": {"build_base": build_base()}},
    ext_modules=[
        Extension(
            "goloop._core",
            sources=files("pybind/ext/*.c"),
            depends=files("pybind/*.h", "pybind/ext/*.h"),
            include_dirs=["pybind", "pybind/ext"],
            extra_compile_args=[*C_FLAGS, boundary.flag()],
            define_macros=[] if MEASURED else [("GOLOOP_NO_METRICS", None)],
            extra_link_args=["-O2", "-flto"],
            libraries=["dl", "pthread"],
        ),
        GoLibrary("goloop._engine", "./pybind", depends=["go.mod", "go.sum"]),
    ],
    cmdclass={"build_ext": BuildExt, "sdist": Sdist},
)
