import sysconfig

import pytest

from wheels.target import PYTHONS, Target


@pytest.mark.parametrize(
    ("python", "arch", "tag", "suffix", "engine"),
    [
        ("3.10", "x86_64", "cp310-cp310-linux_x86_64", ".cpython-310-x86_64-linux-gnu.so", "abi3"),
        ("3.13", "aarch64", "cp313-cp313-linux_aarch64", ".cpython-313-aarch64-linux-gnu.so", "abi3"),
        ("3.14t", "x86_64", "cp314-cp314t-linux_x86_64", ".cpython-314t-x86_64-linux-gnu.so", "3.14t"),
    ],
)
def test_names(python, arch, tag, suffix, engine):
    target = Target(python, arch)
    assert (target.built_tag, target.ext_suffix, target.engine) == (tag, suffix, engine)


def test_this_python_calls_its_extensions_so():
    number = sysconfig.get_python_version() + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "")
    arch = sysconfig.get_platform().partition("-")[2]
    assert Target(number, arch).ext_suffix == sysconfig.get_config_var("EXT_SUFFIX")


def test_what_zig_and_auditwheel_are_told():
    target = Target("3.13", "aarch64")
    assert (target.triple, target.policy) == ("aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64")
    assert target.goarch == "arm64"


@pytest.mark.parametrize(("python", "arch"), [("3", "x86_64"), ("3.13t ", "x86_64"), ("3.13", "amd64")])
def test_what_is_no_target(python, arch):
    with pytest.raises(ValueError):
        Target(python, arch)


def test_one_engine_for_all_with_a_gil():
    assert len({Target(python, "x86_64").engine for python in PYTHONS if not python.endswith("t")}) == 1
