"""Real TLS servers on loopback for the tests of idp.fetch, with certificates of a throw-away authority.

Authority       a new CA; `trust()` believes it alone, `certificate(names)` makes one for names or addresses
Script          what a server does with a connection once the request is read; bytes it got are kept in `Server.requests`
Server          listens on a random port of 127.0.0.1 (or ::1), each connection on a thread; `close` waits for them
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Connection = socket.socket
Script = Callable[[Connection], None]

_YESTERDAY = datetime.now(UTC) - timedelta(days=1)
_LATER = _YESTERDAY + timedelta(days=30)


class Authority:
    """A certificate authority that nobody else believes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Throw-away")])
        self._root = self._builder(self._name, self._key.public_key(), ca=True).sign(self._key, hashes.SHA256())
        self._made = 0

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_YESTERDAY)
            .not_valid_after(_LATER)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def trust(self) -> ssl.SSLContext:
        """A client's view: this authority and no other."""
        pem = self._root.public_bytes(serialization.Encoding.PEM).decode("ascii")
        return ssl.create_default_context(cadata=pem)

    def certificate(self, names: Sequence[str]) -> ssl.SSLContext:
        """A server's view: a fresh key with a certificate for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Server")])
        made = (
            self._builder(subject, key.public_key(), ca=False)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self._made += 1
        path = self._folder / f"server-{self._made}.pem"
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + made.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Server:
    """Answers each connection with the script of the moment. `secure` None: plain TCP."""

    def __init__(self, secure: ssl.SSLContext | None, address: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        """The SNI of each TLS connection."""
        self.connections = 0
        self.script: Script = answer(b"", "text/plain")
        self.greeting = b""
        """What it says before it is asked."""
        self._secure = secure
        if secure is not None:
            secure.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                opened, _peer = self._listener.accept()
            except OSError:
                return
            if self._closing:
                opened.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(opened,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, opened: socket.socket) -> None:
        # A client that hangs up is what many of these tests are about; nothing here may wait for ever.
        opened.settimeout(20)
        try:
            if self._secure is not None:
                opened = self._secure.wrap_socket(opened, server_side=True)
            opened.sendall(self.greeting)
            self.requests.append(_read_request(opened))
            self.script(opened)
            if isinstance(opened, ssl.SSLSocket):
                opened.unwrap()
        except OSError:
            pass
        finally:
            opened.close()

    def close(self) -> None:
        """Stop listening and wait for every connection to end."""
        self._closing = True
        with socket.create_connection(self._listener.getsockname()[:2]):
            self._acceptor.join()
        self._listener.close()
        for thread in self._threads:
            thread.join()


def _read_request(opened: socket.socket) -> bytes:
    text = b""
    while b"\r\n\r\n" not in text:
        block = opened.recv(4096)
        if not block:
            return text
        text += block
    head, _, body = text.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += opened.recv(4096)
    return head + b"\r\n\r\n" + body


def head(content_type: str | None, *lines: str, status: str = "200 OK") -> bytes:
    """Status line and headers."""
    types = [f"Content-Type: {content_type}"] if content_type is not None else []
    return "\r\n".join([f"HTTP/1.1 {status}", *types, *lines, "", ""]).encode("latin-1")


def answer(body: bytes, content_type: str | None, *lines: str, status: str = "200 OK") -> Script:
    """A script: one whole answer with its length."""
    return raw(head(content_type, f"Content-Length: {len(body)}", *lines, status=status) + body)


def raw(data: bytes) -> Script:
    """A script: exactly these bytes."""
    return lambda opened: opened.sendall(data)


def drip(data: bytes, filler: bytes) -> Script:
    """A script: these bytes, then the filler again and again until the client hangs up."""

    def script(opened: Connection) -> None:
        opened.sendall(data)
        while True:
            opened.sendall(filler)

    return script
