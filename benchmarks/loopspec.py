"""Names of event loops: ``module:factory``, and the proof that a loop really is of that module.

Imports nothing but the standard library's smallest modules, since the start-up rows measure what comes after.
"""

from importlib import import_module


def root(spec: str) -> str:
    """The top-level package of ``module:factory``."""
    return spec.partition(":")[0].partition(".")[0]


def factory(spec: str):  # type: ignore[no-untyped-def]
    """The callable behind ``module:factory``; ``ImportError`` or ``AttributeError`` when there is none."""
    module, colon, name = spec.partition(":")
    if not colon:
        raise ValueError(f"{spec!r} is not module:factory")
    return getattr(import_module(module), name)


def check(loop: object, spec: str) -> None:
    """Raise ``RuntimeError`` unless the type of ``loop`` comes from the package of ``spec``.

    A benchmark whose loop replacement did not take would measure another loop and look fine.
    """
    kind = type(loop)
    if kind.__module__.partition(".")[0] != root(spec):
        raise RuntimeError(f"wanted a loop of {root(spec)}, got {kind.__module__}.{kind.__qualname__}")
