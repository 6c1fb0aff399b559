"""goloop.otel under the OpenTelemetry SDK, with its readers and exporters that keep what they get."""

import asyncio
import contextlib
import json
import logging
import threading
import time

import pytest

pytestmark = pytest.mark.goloop_only

pytest.importorskip("opentelemetry.sdk")


class Telemetry:
    """The SDK's own parts, and what they were given."""

    def __init__(self, exporter=None):
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.exporter = exporter or InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))

    def points(self):
        """{name: {attributes but the loop's: value}} of what one collection finds for each loop."""
        found = {}
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                assert scope.scope.name == "goloop"
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        attributes = dict(point.attributes)
                        loop = attributes.pop("goloop.loop.id")
                        found.setdefault(loop, {}).setdefault(metric.name, {})[tuple(attributes.values())] = (
                            point.value
                        )
        return found

    @property
    def spans(self):
        return self.exporter.get_finished_spans()


@pytest.fixture
def otel():
    """goloop.otel, instrumented by nobody before and after."""
    import goloop
    from goloop import otel, watching

    assert watching.listeners == []
    otel._said.clear()
    yield otel
    otel.uninstrument()
    goloop.unwatch()
    assert watching.listeners == []


@pytest.fixture
def telemetry():
    return Telemetry()


@pytest.fixture
def stall(loop):
    """Holds the loop for some seconds, and waits until a condition is met."""

    def stall(seconds, condition=lambda: True):
        async def main():
            time.sleep(seconds)  # the stall that is told of
            while not condition():
                await asyncio.sleep(0.001)

        loop.run_until_complete(asyncio.wait_for(main(), 20))

    return stall


def test_metrics_of_each_loop(otel, telemetry, loop, run):
    otel.instrument(telemetry.meters, telemetry.tracers, threshold=10)

    async def main():
        async def echo(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        loop.call_later(100, print)
        await asyncio.sleep(0.01)
        found = telemetry.points()[loop._engine_id]
        writer.close()
        server.close()
        return found

    found = run(main())
    assert found["goloop.servers"] == {(): 1}
    assert found["goloop.accepts"] == {(): 1}
    assert found["goloop.transports"][("stream",)] >= 1
    assert found["goloop.io"] == {("receive",): 12, ("transmit",): 12}
    assert found["goloop.timers"][()] >= 1
    assert found["goloop.callbacks"][()] > 5
    assert found["asyncio.eventloop.time"].keys() == {("active",), ("idle",)}
    assert found["asyncio.eventloop.time"][("idle",)] > 0.005
    assert 0 < found["asyncio.eventloop.utilization"][()] < 1
    assert 0 <= found["asyncio.eventloop.delay.p50"][()] <= found["asyncio.eventloop.delay.p99"][()]


def test_loops_come_and_go(otel, telemetry, loop_factory, loop):
    otel.instrument(telemetry.meters, telemetry.tracers, threshold=10)
    other = loop_factory()
    number = other._engine_id
    assert {number, loop._engine_id} <= telemetry.points().keys()
    other.close()
    until = time.monotonic() + 10
    while number in telemetry.points():  # one snapshot serves for a tenth of a second
        assert time.monotonic() < until


def test_stall_is_a_span_with_its_stack(otel, telemetry, loop, stall, caplog):
    otel.instrument(telemetry.meters, telemetry.tracers, threshold=0.05)
    stall(0.3, lambda: telemetry.spans)
    (span,) = telemetry.spans
    assert span.name == "goloop.stall"
    assert span.parent is None
    attributes = span.attributes
    assert attributes["goloop.loop.id"] == loop._engine_id
    assert attributes["goloop.stall.state"] == "python"
    assert attributes["thread.name"] == "MainThread"
    assert attributes["code.file.path"] == __file__
    assert attributes["code.function.name"].endswith("main")
    line = f'File "{__file__}", line {attributes["code.line.number"]}, in {attributes["code.function.name"]}'
    assert attributes["code.stacktrace"].splitlines()[-1].strip() == line
    assert 0.2 < (span.end_time - span.start_time) / 1e9 < 2
    assert abs(span.end_time / 1e9 - time.time()) < 20
    assert telemetry.points()[loop._engine_id]["goloop.stalls"] == {("python",): 1}
    assert any(
        "has been held" in record.message for record in caplog.records
    )  # the log, which nobody took elsewhere


def test_reports_go_to_a_callable_and_into_spans(otel, telemetry, stall):
    import goloop

    reports = []
    goloop.watch(0.05, to=reports.append)
    otel.instrument(telemetry.meters, telemetry.tracers)
    stall(0.2, lambda: telemetry.spans and len(reports) == 2)
    assert [report["event"] for report in reports] == ["stalled", "ended"]
    otel.uninstrument()
    stall(0.2, lambda: len(reports) == 4)  # the watchdog was not ours
    assert len(telemetry.spans) == 1


@pytest.mark.parametrize("first", ["watch", "instrument"])
def test_reports_go_to_a_path_and_into_spans(otel, telemetry, loop, stall, tmp_path, first):
    import goloop

    log = tmp_path / "log"
    if first == "watch":
        goloop.watch(0.05, log)
    otel.instrument(telemetry.meters, telemetry.tracers)
    if first == "instrument":
        goloop.watch(0.05, log)
    stall(0.3, lambda: telemetry.spans)
    (span,) = telemetry.spans
    assert span.attributes["code.function.name"].endswith("main")
    assert telemetry.points()[loop._engine_id]["goloop.stalls"] == {("python",): 1}
    lines = log.read_text().splitlines()
    assert [json.loads(line[line.index("{") :])["event"] for line in lines] == ["stalled", "ended"]


def test_stall_that_lasts_ends_its_span_when_it_is_told_no_more(otel, telemetry, stall):
    otel.instrument(telemetry.meters, telemetry.tracers, threshold=0.05)

    def end():
        while not otel._spans._open:
            time.sleep(0.001)  # nothing tells of it: the next look
        otel.uninstrument()

    thread = threading.Thread(target=end)
    thread.start()
    stall(0.5)
    thread.join()
    assert len(telemetry.spans) == 1


def test_twice_is_once_and_none_when_it_has_ended(otel, telemetry, loop, stall):
    for _ in range(2):
        otel.instrument(telemetry.meters, telemetry.tracers, threshold=0.05)
    stall(0.2, lambda: telemetry.spans)
    assert len(telemetry.spans) == 1
    for _ in range(2):
        otel.uninstrument()
    assert "goloop.turns" not in telemetry.points().get(loop._engine_id, {})
    stall(0.2)
    otel.instrument(telemetry.meters, telemetry.tracers, threshold=10)
    assert telemetry.points()[loop._engine_id]["goloop.turns"][()] > 0
    assert len(telemetry.spans) == 1


class Broken:
    """An exporter that raises, or that never comes back."""

    def __init__(self, blocks):
        self.called = threading.Event()
        self.release = threading.Event()
        self.blocks = blocks

    def export(self, spans):
        self.called.set()
        if self.blocks:
            self.release.wait(20)
        raise OSError("the collector is away")

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=0):
        return True


@pytest.mark.parametrize("blocks", [False, True])
def test_broken_exporter_does_not_reach_the_loop(otel, loop, stall, errors, blocks):
    import goloop

    exporter = Broken(blocks)
    telemetry = Telemetry(exporter)
    reports = []
    goloop.watch(0.05, to=reports.append)
    otel.instrument(telemetry.meters, telemetry.tracers)
    stall(0.2, exporter.called.is_set)
    stall(0.2, lambda: len(reports) == 4)  # the watchdog tells on
    assert errors == []
    exporter.release.set()


def test_broken_processor_is_logged_once(otel, telemetry, stall, caplog):
    from opentelemetry.sdk.trace import SpanProcessor

    class Raises(SpanProcessor):
        ended = 0

        def on_end(self, span):
            self.ended += 1
            raise RuntimeError("broken")

    raises = Raises()
    telemetry.tracers.add_span_processor(raises)
    otel.instrument(telemetry.meters, telemetry.tracers, threshold=0.05)
    for number in range(2):
        stall(0.2, lambda number=number: raises.ended == number + 1)
    otel.uninstrument()
    assert sum("OpenTelemetry fails" in record.message for record in caplog.records) == 1


def test_broken_snapshot_is_logged_once(otel, telemetry, monkeypatch, caplog):
    from goloop import control

    otel.instrument(telemetry.meters, telemetry.tracers, threshold=10)

    def fails():
        raise ValueError("broken")

    monkeypatch.setattr(control, "loops", fails)
    with caplog.at_level(logging.WARNING, "goloop"), contextlib.suppress(AttributeError):
        assert telemetry.points() == {}
        assert telemetry.points() == {}
    assert sum("OpenTelemetry fails" in record.message for record in caplog.records) == 1


def test_global_providers_are_those_of_nobody_said(script):
    out = script("""
        import goloop.otel
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader]))
        goloop.otel.instrument(threshold=10)
        loop = new_event_loop()
        loop.run_until_complete(asyncio.sleep(0.01))
        print("goloop.callbacks" in reader.get_metrics_data().to_json())
        loop.close()
        goloop.otel.uninstrument()
    """)
    assert out == "True\n"


def test_without_an_sdk_nothing_happens(script):
    out = script("""
        import goloop.otel
        goloop.otel.instrument(threshold=10)
        run(asyncio.sleep(0.01))
        print(any(name.startswith("opentelemetry.sdk.metrics") for name in sys.modules))
        goloop.otel.uninstrument()
    """)
    assert out == "False\n"


def test_spans_are_made_before_the_program_ends(script):
    """Of a stall that lasts until then; the exporter is shut down behind it, by the provider."""
    out = script("""
        import logging
        logging.disable()
        import goloop.otel
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
        tracers = TracerProvider()
        tracers.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.name + chr(10))))
        goloop.otel.instrument(tracer_provider=tracers, threshold=0.05)

        async def main():
            time.sleep(0.3)  # the stall that is told of
            sys.exit()

        run(main())
    """)
    assert out == "goloop.stall\n"


def test_nothing_is_imported_before(script):
    out = script("""
        import goloop.otel
        run(asyncio.sleep(0))
        print(any(name.startswith("opentelemetry") for name in sys.modules))
    """)
    assert out == "False\n"


def test_missing_package_is_said(script):
    out = script("""
        import goloop.otel
        sys.modules["opentelemetry.metrics"] = None
        try:
            goloop.otel.instrument()
        except ImportError as error:
            print(error)
        import goloop.watching
        print(goloop.watching.settings)
    """)
    assert out == "goloop.otel needs opentelemetry-api: pip install 'goloop[otel]'\nNone\n"


def test_forked_child_begins_anew(script):
    out = script("""
        import logging, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # fork() with threads
        logging.disable()
        import goloop.otel
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        spans = InMemorySpanExporter()

        def instrument():
            tracers = TracerProvider()
            tracers.add_span_processor(SimpleSpanProcessor(spans))
            goloop.otel.instrument(tracer_provider=tracers, threshold=0.05)

        async def stall():
            time.sleep(0.2)  # the stall that is told of
            while not spans.get_finished_spans():
                await asyncio.sleep(0.001)

        instrument()
        pid = os.fork()
        if pid == 0:
            instrument()
            run(asyncio.wait_for(stall(), 15))
            goloop.otel.uninstrument()
            os._exit(len(spans.get_finished_spans()))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        goloop.otel.uninstrument()
    """)
    assert out == "1\n"
