"""The mails of a hub under test: sent by its worker into its mailbox folder, and read there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default

from hub.wiring import Hub


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail as it arrived."""

    to: str
    subject: str
    body: str

    @property
    def link(self) -> str:
        """The one address in it, which stands alone on its line."""
        (link,) = re.findall(r"^(https?://\S+)$", self.body, re.MULTILINE)
        return str(link)

    @property
    def code(self) -> str:
        return self.link.partition("#")[2]


def letters(hub: Hub) -> list[Letter]:
    """Every mail so far, oldest first, after the worker has sent what waits."""
    hub.worker().step()
    found: list[Letter] = []
    for path in sorted(hub.settings.mailbox_dir.glob("*.eml")):
        message = message_from_bytes(path.read_bytes(), policy=default)
        found.append(Letter(str(message["To"]), str(message["Subject"]), str(message.get_content()).replace("\r\n", "\n")))
    return found
