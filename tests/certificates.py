"""Certificates for servers on this machine, by the openssl command: packages that make them lack some Pythons."""

import ipaddress
import pathlib
import shutil
import subprocess
import tempfile
import weakref

CONFIGURATION = """
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


class Certificate:
    """A certificate and its key: paths of PEM files, there as long as this is."""

    def __init__(self, authority, certificate, key):
        self._authority = authority
        self.certificate, self.key = certificate, key

    def configure_cert(self, context):
        """Have an SSLContext show this certificate."""
        context.load_cert_chain(self.certificate, self.key)


class Authority:
    """Issues certificates, valid for two days. `certificate` is the path of its own, in PEM."""

    def __init__(self):
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="goloop-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._issued = 0
        self.certificate, self._key = self._folder / "authority.pem", self._folder / "authority.key"
        self._prepare(self._key, "DNS:localhost")
        own = ("-x509", "-days", "2", "-extensions", "authority", "-subj", "/CN=authority")
        self._openssl(
            "req", "-config", "openssl.cnf", "-new", *own, "-key", self._key, "-out", self.certificate
        )

    def issue_cert(self, *names):
        """A certificate for these host names and addresses."""
        self._issued += 1
        certificate, key = self._folder / f"{self._issued}.pem", self._folder / f"{self._issued}.key"
        self._prepare(key, ", ".join(map(alternative, names)))
        subject = ("-subj", f"/CN={names[0]}", "-key", key, "-out", "request")
        self._openssl("req", "-config", "openssl.cnf", "-new", *subject)
        issuer = ("-CA", self.certificate, "-CAkey", self._key, "-set_serial", str(self._issued))
        wanted = ("-days", "2", "-extfile", "openssl.cnf", "-extensions", "server", "-out", certificate)
        self._openssl("x509", "-req", "-in", "request", *issuer, *wanted)
        return Certificate(self, certificate, key)

    def configure_trust(self, context):
        """Have an SSLContext trust the certificates that were issued here."""
        context.load_verify_locations(self.certificate)

    def _prepare(self, key, names):
        (self._folder / "openssl.cnf").write_text(CONFIGURATION.format(names=names))
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self._folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def alternative(name):
    """A name as subjectAltName has it."""
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"
