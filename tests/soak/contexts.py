"""TLS contexts for localhost. The `openssl` command makes the certificate: no package is needed, on any build of CPython."""

import pathlib
import ssl
import subprocess


def contexts(folder):
    """(a server's context, a client's that trusts it), of a certificate that is made in the folder."""
    key, cert = pathlib.Path(folder, "key.pem"), pathlib.Path(folder, "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-days", "9", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        + ["-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=str(cert))
