"""setuptools as a PEP 517 backend that brings a Go toolchain and a C compiler from PyPI where the machine has none.

The functions are PEP 517's and PEP 660's.
"""

from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

import compilers
import golang
from refusals import check_platform

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]


def get_requires_for_build_sdist(config_settings=None):
    return [] if golang.VENDORED else golang.requirements()


def get_requires_for_build_wheel(config_settings=None):
    check_platform()  # before anything large is downloaded
    return [*golang.requirements(), *compilers.requirements()]


get_requires_for_build_editable = get_requires_for_build_wheel
