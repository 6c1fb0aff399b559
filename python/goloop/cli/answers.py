"""What a process's endpoint says: questions over a Unix or TCP socket."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

PATIENCE = 2.0  # seconds that an answer may take; the endpoint needs a twentieth of one


class NoAnswer(Exception):
    """There is no endpoint, or it does not answer; the text says which, in a sentence."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, address: str, timeout: float) -> None:
        super().__init__("goloop", timeout=timeout)
        self._address = address

    def connect(self) -> None:
        if is_path(self._address):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._address.removeprefix("unix:"))
        else:
            host, _, port = self._address.rpartition(":")
            self.sock = socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), self.timeout)


def is_path(address: str) -> bool:
    """Tells a path from HOST:PORT, as ``goloop.control.serve`` does."""
    return address.startswith("unix:") or "/" in address or ":" not in address


class Endpoint:
    """A process's endpoint. Nothing stays open between two questions."""

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        self.address = address
        self._patience = patience

    def ask(self, page: str) -> tuple[int, bytes]:
        """An answer's status and body.

        Raises:
            NoAnswer: there is none.
        """
        connection = _Connection(self.address, self._patience)
        try:
            connection.request("GET", page)
            response = connection.getresponse()
            return response.status, response.read()
        except TimeoutError:
            raise NoAnswer(f"{self.address} does not answer within {self._patience:g} s") from None
        except (http.client.HTTPException, ValueError) as exc:
            why = f"{type(exc).__name__} {exc}".strip()
            raise NoAnswer(f"what answers at {self.address} is no goloop: {why}") from None
        except OSError as exc:
            raise NoAnswer(f"nobody answers at {self.address}: {exc.strerror or exc}") from None
        finally:
            connection.close()

    def load(self, page: str) -> Any:
        """What a page of JSON says.

        Raises:
            NoAnswer: it says nothing.
        """
        status, body = self.ask(page)
        try:
            if status != 200:
                raise ValueError(f"status {status}")
            return json.loads(body)
        except ValueError as exc:
            raise NoAnswer(f"what answers at {self.address} is no goloop: {exc}") from None
