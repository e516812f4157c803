"""nginx with the configuration that operators copy (docs/nginx.conf), on loopback ports.

Only addresses, paths, certificate and, where the test is not root, the user are replaced. A text that is no longer in the file
fails, so the test can never run something else than what is shipped.
"""

from __future__ import annotations

import datetime
import os
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.processes import Process, Run, free_port
from tests.wire import Answer, Wire

CONFIGURATION = Path(__file__).parents[1] / "docs" / "nginx.conf"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Nginx:
    """A running nginx. `tls` trusts its certificate alone."""

    folder: Path
    port: int
    plain_port: int
    tls: ssl.SSLContext
    process: Process

    def open(self, sent: bytes = b"", *, source: str = "127.0.0.1") -> Wire:
        """A connection over TLS, from an address of the client's."""
        return Wire(self.port, sent, tls=self.tls, source=source)

    def ask(self, sent: bytes, *, head: bool = False, source: str = "127.0.0.1") -> Answer:
        """One request on a connection of its own, and its answer."""
        with self.open(sent, source=source) as wire:
            return wire.answer(head=head)

    def logs(self) -> str:
        """Everything that it has logged, errors included."""
        return "".join(path.read_text(encoding="utf-8") for path in sorted(self.folder.glob("*.log"))) + self.process.output()


def render(folder: Path, port: int, plain_port: int, hubs: tuple[int, int]) -> str:
    """The configuration with our ports, paths and certificate. AssertionError when the file no longer has what is replaced."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    temporary = "".join(f"    {name}_temp_path {folder}/{name};\n" for name in _TEMPORARY)
    for before, after in (
        ("user www-data;", "user www-data;" if os.geteuid() == 0 else ""),
        ("pid /run/nginx.pid;", f"pid {folder}/nginx.pid;"),
        ("worker_processes auto;", "worker_processes 1;\ndaemon off;"),
        ("/var/log/nginx/", f"{folder}/"),
        ("/etc/nginx/tls/", f"{folder}/"),
        ("server hub-1:8080 ", f"server 127.0.0.1:{hubs[0]} "),
        ("server hub-2:8080 ", f"server 127.0.0.1:{hubs[1]} "),
        ("listen 80 ", f"listen 127.0.0.1:{plain_port} "),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("http {\n", f"http {{\n{temporary}"),
    ):
        assert before in text, f"docs/nginx.conf has no {before!r}"
        text = text.replace(before, after)
    return text


def start_nginx(run: Run, program: Path, hubs: tuple[int, int], port: int) -> Nginx:
    """Check the configuration with `nginx -t`, start it on `port`, and wait until it listens."""
    folder = Path(tempfile.mkdtemp(prefix="nginx-", dir=run.folder))
    folder.chmod(0o711)
    plain_port = free_port()
    file = folder / "nginx.conf"
    file.write_text(render(folder, port, plain_port, hubs), encoding="utf-8")
    _make_certificate(folder)
    command = [str(program), "-p", str(folder), "-c", str(file)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr, checked.stderr
    process = run.start("nginx", command)
    process.wait_listening(plain_port)
    return Nginx(folder, port, plain_port, ssl.create_default_context(cafile=str(folder / "fullchain.pem")), process)


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("*.hub.localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "privkey.pem").write_bytes(private)
