"""Runs pytest, and makes sure that the goloop under test is the installed one.

The source tree's ``python/goloop`` has no shared objects after a normal install, or stale ones after an
editable one; a suite that imported it by accident would say nothing about the wheel.
"""

import importlib.util
import pathlib
import sys
import sysconfig

del sys.path[0]  # tools/, where Python put it for running this file

import pytest  # noqa: E402 - only now


def wrong_place(file):
    """Why ``file`` is not part of this interpreter's installed goloop, or None."""
    wanted = pathlib.Path(sysconfig.get_path("platlib"), "goloop").resolve()
    where = pathlib.Path(file).resolve().parent
    return None if where == wanted else f"goloop comes from {where}, and should from {wanted}"


class InstalledGoloop:
    """A pytest plugin: looks before the tests, without importing goloop, and after them."""

    def pytest_sessionstart(self, session):
        spec = importlib.util.find_spec("goloop")
        if spec is None or not spec.origin:
            raise pytest.UsageError("goloop is not installed")
        if problem := wrong_place(spec.origin):
            raise pytest.UsageError(problem)

    def pytest_report_header(self):
        return f"goloop: installed in {sysconfig.get_path('platlib')}"

    def pytest_sessionfinish(self, session):
        for name in ("goloop", "goloop._core"):
            if (module := sys.modules.get(name)) and (problem := wrong_place(module.__file__)):
                raise pytest.UsageError(problem)


if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:], plugins=[InstalledGoloop()]))
