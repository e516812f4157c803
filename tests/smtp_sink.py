"""An SMTP server on loopback that keeps what it is given and can refuse: as much of RFC 5321 and 6531 as smtplib asks for."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail as it came: the envelope's lines and the bytes."""

    mail: str
    recipients: tuple[str, ...]
    raw: bytes


class _Conversation(socketserver.StreamRequestHandler):
    server: Sink

    def handle(self) -> None:
        self._say("220 sink.localhost ESMTP")
        mail, recipients = "", []
        while line := self.rfile.readline().decode().strip():
            verb = line.upper().split(" ", 1)[0].split(":")[0]
            if verb in self.server.answers:
                self._say(self.server.answers[verb])
                continue
            match verb:
                case "EHLO":
                    names = ["sink.localhost", *self.server.offers]
                    self._say("\r\n".join(f"250{' ' if name is names[-1] else '-'}{name}" for name in names))
                case "MAIL":
                    mail = line
                    self._say("250 ok")
                case "RCPT":
                    recipients.append(line)
                    self._say("250 ok")
                case "DATA":
                    self._say("354 go on")
                    raw = self._data()
                    if self.server.after_data:
                        self._say(self.server.after_data)
                    else:
                        self.server.taken.append(Taken(mail, tuple(recipients), raw))
                        self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def _data(self) -> bytes:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


class Sink(socketserver.ThreadingTCPServer):
    """`offers`: extensions. `answers`: what it says to a command instead of yes. `after_data`: what it says to a mail instead."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.taken: list[Taken] = []
        self.offers: tuple[str, ...] = ()
        self.answers: dict[str, str] = {}
        self.after_data = ""

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


@contextmanager
def sink() -> Iterator[Sink]:
    """A server that runs until the block ends."""
    with Sink() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()
