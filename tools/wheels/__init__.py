"""Builds goloop's wheels for Linux on one machine, for others as well: `make wheels`.

Zig is the C compiler, for it has the C library of every architecture in every version. Nothing is asked of the Python
that runs here about the Pythons that are built for, and none of those needs to run here.
"""
