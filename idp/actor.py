"""Who does something. Known to the change log, to sessions and to the rights table.

Payer     a user at their own account
Staff     somebody at the biller or the operator, by role
Rep       a service representative who acts FOR a payer; the payer is the subject, the rep is the actor
Partner   a partner's server, by its API key
Cis       a biller's CIS, by its API key with the csr scope
System    the hub itself: an import, a job, a schedule
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

ActorKind = Literal["payer", "staff", "rep", "partner", "cis", "system"]
StaffRole = Literal["operator", "admin", "support", "viewer"]


@dataclass(frozen=True, slots=True)
class Payer:
    """A user at their own account."""

    user_id: UUID
    kind: Literal["payer"] = "payer"

    @property
    def id(self) -> str:
        return str(self.user_id)


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody at the biller (`bid` set) or the operator (`bid` None), with one role."""

    name: str
    role: StaffRole
    bid: int | None = None
    kind: Literal["staff"] = "staff"

    @property
    def id(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Rep:
    """A service representative who acts for a payer."""

    rep_id: str
    name: str
    for_user: UUID
    kind: Literal["rep"] = "rep"

    @property
    def id(self) -> str:
        return self.rep_id


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner's server, by its API key."""

    key_id: UUID
    partner_id: UUID
    kind: Literal["partner"] = "partner"

    @property
    def id(self) -> str:
        return str(self.key_id)


@dataclass(frozen=True, slots=True)
class Cis:
    """A biller's CIS, by its API key with the csr scope."""

    key_id: UUID
    kind: Literal["cis"] = "cis"

    @property
    def id(self) -> str:
        return str(self.key_id)


@dataclass(frozen=True, slots=True)
class System:
    """The hub itself; `name` says which part: `import`, `worker`, `demo`."""

    name: str
    kind: Literal["system"] = "system"

    @property
    def id(self) -> str:
        return self.name


Actor = Payer | Staff | Rep | Partner | Cis | System
