"""A self-signed certificate, made with the ``openssl`` command and kept for a day: some loops read the files themselves, when a
connection comes."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from harness import process

DAY = 86400.0  # s; a certificate is valid for two


def folder() -> Path:
    """Where key.pem and cert.pem are, of today."""
    kept = process.cache() / "certificate"
    if kept.exists() and time.time() - kept.stat().st_mtime < DAY:
        return kept
    fresh = Path(tempfile.mkdtemp(prefix="certificate-", dir=process.cache()))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-keyout", str(fresh / "key.pem"), "-out", str(fresh / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    if kept.exists():
        shutil.rmtree(kept)
    fresh.rename(kept)
    return kept


def server_context() -> ssl.SSLContext:
    """A server's TLS context for localhost with a P-256 key."""
    where = folder()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(where / "cert.pem", where / "key.pem")
    return context
