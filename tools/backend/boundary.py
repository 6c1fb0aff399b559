"""Which text of pybind/abi.h a build has: extension and engine are to have the same."""

import pathlib

HEADER = pathlib.Path(__file__).resolve().parent.parent.parent / "pybind" / "abi.h"


def flag():
    """What the extension is compiled with: FNV-1a of 64 bits, as pybind/exports_abi.go computes it."""
    value = 0xCBF29CE484222325
    for byte in HEADER.read_bytes():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"-DGOLOOP_ABI={value:#x}u"
