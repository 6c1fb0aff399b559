"""setuptools as a PEP 517 backend that brings a Go toolchain and a C compiler from PyPI where the machine has none.

The functions are PEP 517's and PEP 660's. What pyproject.toml would require is asked for here too, so that nothing is
downloaded for a system that cannot load goloop; setuptools is imported by what comes after that.
"""

import compilers
import golang
from refusals import check_headers, check_platform

SETUPTOOLS = "setuptools>=77"
PYBINDGEN = "pybindgen==0.22.1"


def get_requires_for_build_sdist(config_settings=None):
    return [SETUPTOOLS, *([] if golang.VENDORED else golang.requirements())]


def get_requires_for_build_wheel(config_settings=None):
    check_platform()
    check_headers()
    return [SETUPTOOLS, PYBINDGEN, *golang.requirements(), *compilers.requirements()]


get_requires_for_build_editable = get_requires_for_build_wheel


def setuptools_s(name):
    def hook(*arguments, **options):
        from setuptools import build_meta

        return getattr(build_meta, name)(*arguments, **options)

    return hook


prepare_metadata_for_build_wheel = setuptools_s("prepare_metadata_for_build_wheel")
prepare_metadata_for_build_editable = setuptools_s("prepare_metadata_for_build_editable")
build_sdist = setuptools_s("build_sdist")
build_wheel = setuptools_s("build_wheel")
build_editable = setuptools_s("build_editable")
