"""Links in mails: an address on the biller's own host, with the secret in its fragment.

    https://riverbend.example.com/b/riverbend/confirm#pX3v...

No browser sends a fragment to any server, so the secret is in no log and no Referer. The page behind it is the same for everybody
and spends nothing; its script posts the secret (idp.web.confirming). This is the one place that builds such addresses.
"""

from __future__ import annotations

from typing import Literal

from idp.directory.billers import Biller

MailPage = Literal["confirm"]
"""Pages that mails lead to: the last part of the path, under the biller's own."""


def mail_link(biller: Biller, page: MailPage, secret: str) -> str:
    """The whole address. It is the secret: never logged, and stored only in a sealed mail."""
    return f"{biller.base_url}/{page}#{secret}"
