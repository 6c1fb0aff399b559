"""``goloop.workers``: what is imported when, and over what the workers stand; tests/hosts runs them under gunicorn."""

import textwrap

import pytest

pytestmark = pytest.mark.goloop_only

# Modules that stand for packages, or for their absence.
STAND_INS = """
import types

def module(name, **contents):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(contents)

def missing(*names):
    class Finder:
        def find_spec(name, path=None, target=None):
            if name in names:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Finder)

class Worker:
    CONFIG_KWARGS = {"loop": "auto", "http": "auto"}

    def init_process(self):
        self.made = made()

class Config:
    def get_loop_factory(self):
        ...


def made():
    # The module of the loop that asyncio makes.
    loop = asyncio.new_event_loop()
    loop.close()
    return type(loop).__module__
"""


@pytest.fixture
def program(script):
    """Runs a program with the stand-ins; gives what it printed."""
    return lambda source: script(STAND_INS + textwrap.dedent(source))


def test_importing_needs_no_package(program):
    out = program("""
        import goloop
        assert "goloop.workers" not in sys.modules
        import goloop.workers
        print(sorted({"gunicorn", "uvicorn", "uvicorn_worker", "aiohttp"} & set(sys.modules)))
        print(set(goloop.workers.__all__) <= set(dir(goloop.workers)), hasattr(goloop.workers, "unknown"))
    """)
    assert out.splitlines() == ["[]", "True False"]


@pytest.mark.parametrize(
    "name, absent, packages, said",
    [
        ("UvicornWorker", ["uvicorn"], "gunicorn and uvicorn-worker", "uvicorn"),
        (
            "UvicornH11Worker",
            ["uvicorn_worker", "uvicorn.workers"],
            "gunicorn and uvicorn-worker",
            "uvicorn_worker",
        ),
        ("AiohttpWorker", ["aiohttp"], "gunicorn and aiohttp", "aiohttp"),
    ],
)
def test_missing_package_is_named(program, name, absent, packages, said):
    out = program(f"""
    import goloop.workers
    if {name!r} == "UvicornH11Worker":
        module("uvicorn")
        module("uvicorn.config", Config=Config)
    missing(*{absent})
    try:
        goloop.workers.{name}
    except ImportError as exc:
        print(exc, exc.name)
    """)
    message = f"goloop.workers.{name} needs {packages}, and there is no {said}"
    assert out == f"{message} {said}\n"


def test_fault_within_a_package_is_its_own(program):
    """A package that is there and cannot be imported says why, itself."""
    out = program("""
    import goloop.workers
    module("aiohttp")
    module("aiohttp.worker")
    try:
        goloop.workers.AiohttpWorker
    except ImportError as exc:
        print(exc.name, type(exc).__name__)
    """)
    assert out == "aiohttp.worker ImportError\n"


@pytest.mark.parametrize("package", ["uvicorn_worker", "uvicorn.workers"])
def test_uvicorns_worker_is_given_the_factory(program, package):
    out = program(f"""
    missing("uvicorn_worker")
    module("uvicorn")
    module("uvicorn.config", Config=Config)
    module({package!r}, UvicornWorker=Worker)
    from goloop.workers import UvicornH11Worker, UvicornWorker
    print(UvicornWorker.CONFIG_KWARGS, UvicornH11Worker.CONFIG_KWARGS["http"])
    print(UvicornH11Worker.__mro__[1] is UvicornWorker, UvicornWorker.__bases__ == (Worker,))
    UvicornWorker().init_process()
    print(Worker.CONFIG_KWARGS["loop"], made())
    """)
    assert out.splitlines() == [
        "{'loop': 'goloop:new_event_loop', 'http': 'auto'} h11",
        "True True",
        "auto asyncio.unix_events",
    ]


def test_older_uvicorn_has_the_policys_loop(program):
    """One before 0.36, which knows no factories."""
    out = program("""
        missing("uvicorn_worker")
        module("uvicorn")
        module("uvicorn.config", Config=type("Config", (), {}))
        module("uvicorn.workers", UvicornWorker=Worker)
        from goloop.workers import UvicornWorker
        worker = UvicornWorker()
        print(worker.CONFIG_KWARGS["loop"], made())
        worker.init_process()
        print(worker.made)
    """)
    assert out.splitlines() == ["none asyncio.unix_events", "goloop.loop"]


def test_aiohttps_worker_makes_goloops_loop_in_its_process(program):
    out = program("""
    module("aiohttp")
    module("aiohttp.worker", GunicornWebWorker=Worker)
    from goloop.workers import AiohttpWorker
    print(made())
    worker = AiohttpWorker()
    worker.init_process()
    print(worker.made)
    """)
    assert out.splitlines() == ["asyncio.unix_events", "goloop.loop"]
