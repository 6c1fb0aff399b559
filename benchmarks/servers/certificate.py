"""A self-signed certificate, made with the ``openssl`` command for one server and gone after loading."""

from __future__ import annotations

import ssl
import subprocess
import tempfile
from pathlib import Path


def server_context() -> ssl.SSLContext:
    """A server's TLS context for localhost with a fresh P-256 key."""
    with tempfile.TemporaryDirectory(prefix="goloop-bench-") as folder:
        key, cert = Path(folder, "key.pem"), Path(folder, "cert.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)]
        subprocess.run(command, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
    return context
