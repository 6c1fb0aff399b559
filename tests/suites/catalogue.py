"""The suites: where each comes from, and which of its tests run a loop of asyncio's kind."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Suite:
    project: str
    version: str
    paths: list[str]  # below the root of the source
    options: list[str] = field(default_factory=list)  # more words for pytest
    debian: tuple[str, str] | None = (
        None  # (suite, source package): where the project's own archive has no such tests
    )


SUITES = {
    "anyio": Suite("anyio", "4.16.0", ["tests"], ["-k", "asyncio and not uvloop and not trio"]),
    "websockets": Suite(
        "websockets",
        "15.0.1",
        ["tests/asyncio", "tests/legacy"],
        debian=("trixie", "python-websockets"),
    ),
    "asyncssh": Suite(
        "asyncssh", "2.24.1", ["tests/test_process.py", "tests/test_channel.py", "tests/test_stream.py"]
    ),
    "aiosmtpd": Suite("aiosmtpd", "1.4.6", ["aiosmtpd/tests"]),
}
