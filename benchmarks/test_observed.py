"""observed.py: costs of samples, and who is scraped."""

import socket
import threading

import pytest

import rows
from harness import scraping
from harness.sample import RowFailed, Sample
from harness.schedule import Measured
from observed import BASE, ROWS, costs, lines, percent


def measured(name, **values):
    return Measured(
        rows.named(name), {loop: [Sample(*pair) for pair in pairs] for loop, pairs in values.items()}
    )


def test_cost_is_of_each_round_and_positive_when_it_is_slower():
    found = measured(
        "call-soon-chained", without=[(100.0, 1.0), (200.0, 1.0)], shipped=[(80.0, 1.5), (200.0, 1.0)]
    )
    assert costs(found, "shipped", lambda sample: sample.value, less=False) == [0.25, 0.0]
    assert costs(found, "shipped", lambda sample: sample.cpu, less=True) == [0.5, 0.0]


def test_lines_are_of_figure_and_processor():
    found = measured("call-soon-chained", without=[(100.0, 1.0)] * 3, shipped=[(50.0, 2.0)] * 3)
    (value, cost), (cpu, cpu_cost) = lines(found, [BASE, "shipped"])
    assert cost == {"shipped": [1.0] * 3}
    assert cpu_cost == {"shipped": [1.0] * 3}
    assert value[-1] == cpu[-1] == "+100.0% (+100.0% +100.0%)"


def test_percent_of_nothing():
    assert percent([]) == ""


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_there(name):
    assert rows.named(name).name == name


def answer(path, page):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(1000)
                client.sendall(page)
                asked.set()

    asked = threading.Event()
    threading.Thread(target=serve, daemon=True).start()
    return listener, asked


def test_process_is_scraped():
    with scraping.scraped(None) as environment:
        path = environment["GOLOOP_CONTROL"].replace("{pid}", "1")
        listener, asked = answer(path, b"HTTP/1.1 200 OK\r\n\r\ngoloop_callbacks_total 1\n")
        assert asked.wait(20)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize("page", [None, b"HTTP/1.1 503 Service Unavailable\r\n\r\n"])
def test_process_that_tells_nothing_is_a_failure(page):
    with pytest.raises(RowFailed, match="not scraped"), scraping.scraped(None) as environment:
        if page:
            listener, asked = answer(environment["GOLOOP_CONTROL"].replace("{pid}", "1"), page)
            assert asked.wait(20)
            listener.close()
