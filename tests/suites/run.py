"""Runs the asyncio tests of other projects on asyncio's loop and on goloop, and compares them test by test.

    python tests/suites/run.py [-v] [SUITE...]

Exit status 1 when a test that passes on asyncio fails on goloop, twice, and is not in expected.py. The sources come from
PyPI, or from Debian where PyPI's have no tests; they lie in build/suites, the environments in .venv/suites-NAME. As root
the tests see an /etc/hosts in which localhost is ::1 as well, which some of anyio's want.
"""

import argparse
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import time

import catalogue
import expected

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
BUILD = TREE / "build" / "suites"
LIMIT = 60  # seconds that a test may take
WHOLE = 1800  # seconds that a suite may take on one loop
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="*", choices=[[], *catalogue.SUITES], metavar="SUITE")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what pytest prints")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    bad = []
    for name in options.suites or catalogue.SUITES:
        bad += run_suite(name, options.verbose)
    print("\n".join(["", *bad]) if bad else "\nnothing fails on goloop that asyncio passes")
    return 1 if bad else 0


def run_suite(name, verbose):
    """Print what the suite gave; returns what is wrong."""
    suite = catalogue.SUITES[name]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    requirements = f"tests/suites/{name}.txt"
    subprocess.run(["tools/venv", f"suites-{name}", version, "--goloop", requirements], cwd=TREE, check=True)
    source = fetch(suite)
    results = {}
    for loop in ("asyncio", "goloop"):
        began = time.monotonic()
        results[loop] = pytest(name, suite, source, loop, suite.paths, verbose)
        outcomes = list(results[loop]["outcomes"].values())
        counts = ", ".join(
            f"{outcomes.count(word)} {word}" for word in ("passed", "failed", "skipped", "xfailed")
        )
        made = results[loop]["made"]
        print(f"{name} on {loop}: {counts}; {made[loop]} loops; {time.monotonic() - began:.0f} s", flush=True)
        other = made["goloop" if loop == "asyncio" else "asyncio"]
        if not made[loop] or other:
            return [f"{name} on {loop}: {made[loop]} loops of this kind, {other} of the other"]
    ours, theirs = results["goloop"]["outcomes"], results["asyncio"]["outcomes"]
    worse = [test for test, outcome in theirs.items() if outcome == "passed" and ours.get(test) != "passed"]
    again = pytest(name, suite, source, "goloop", worse, verbose)["outcomes"] if worse else {}
    return judge(name, worse, again, theirs)


def judge(name, worse, again, theirs):
    keys = {key for key in expected.EXPECTED if key.startswith(f"{name}::")}
    bad = []
    for test in worse:
        full = f"{name}::{test}"
        matched = {key for key in expected.EXPECTED if fnmatch.fnmatchcase(full, key.replace("[", "[[]"))}
        keys -= matched
        if matched:
            print(f"  expected: {test}")
        elif again.get(test) == "passed":
            print(f"  passed at the second try: {test}")
        else:
            bad.append(f"{full}: {again.get(test, 'did not run')} on goloop, {theirs[test]} on asyncio")
    return bad + [f"{key}: passes, or is no test" for key in sorted(keys)]


def pytest(name, suite, source, loop, tests, verbose):
    """Run tests; what in_place.py noted."""
    result = BUILD / f"{name}-{loop}.json"
    result.unlink(missing_ok=True)
    command = [
        TREE / ".venv" / f"suites-{name}" / "bin" / "python",
        "-m",
        "pytest",
        "-p",
        "in_place",
        "-q",
        "-o",
        "addopts=",
    ]
    command += [f"--timeout={LIMIT}", "-p", "no:cacheprovider", *suite.options, *tests]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    environ |= {"PYTHONPATH": str(HERE), "SUITE_LOOP": loop, "SUITE_RESULT": str(result)}
    with open(BUILD / f"{name}-{loop}.txt", "w") as log:
        output = None if verbose else log
        subprocess.run(
            [*with_hosts(), *command], cwd=source, env=environ, timeout=WHOLE, stdout=output, stderr=output
        )
    if not result.exists():
        sys.exit(f"{name} on {loop}: pytest has not ended; see {log.name}")
    return json.loads(result.read_text())


def with_hosts():
    """What comes before a command that is to see HOSTS as its /etc/hosts."""
    if os.geteuid() != 0:
        return []
    hosts = BUILD / "hosts"
    hosts.write_text(HOSTS)
    return ["unshare", "--mount", "sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$@"', "sh"]


def fetch(suite):
    """The folder of a suite's source."""
    folder = BUILD / f"{suite.project}-{suite.version}"
    if not folder.exists():
        archive = (fetch_from_debian if suite.debian else fetch_from_pypi)(suite)
        with tarfile.open(archive) as tar:
            tar.extractall(BUILD, filter="data")
    return folder


def fetch_from_pypi(suite):
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        f"--no-binary={suite.project}",
        "--dest",
        BUILD,
    ]
    subprocess.run([*pip, f"{suite.project}=={suite.version}"], check=True)
    return BUILD / f"{suite.project}-{suite.version}.tar.gz"


def fetch_from_debian(suite):
    """By apt with lists of its own: the system's are left alone."""
    release, package = suite.debian
    apt = BUILD / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text(
        f"deb-src [signed-by={KEYRING}] http://deb.debian.org/debian {release} main\n"
    )
    options = {
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
    }
    command = [
        "apt-get",
        "-qq",
        *[word for key, value in options.items() for word in ("-o", f"{key}={value}")],
    ]
    subprocess.run([*command, "update"], check=True)
    subprocess.run([*command, "source", "--tar-only", "--download-only", package], cwd=BUILD, check=True)
    return BUILD / f"{package}_{suite.version}.orig.tar.gz"


if __name__ == "__main__":
    sys.exit(main())
