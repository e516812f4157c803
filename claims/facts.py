"""Facts: what a claim may say about a payer, and the catalogue of their names.

    Facts           a frozen snapshot: payer, registration and account in play, all accounts, biller, session, actor
    Fact            one entry of the catalogue: name, type, description, example, and how it is read from a snapshot
    CATALOGUE       every fact by name, in the order of the console and of the docs
    list_facts      those that one biller may use: the field of its role codes is not among them
    table           the catalogue as a Markdown table, for the docs

A text is "" and a list is () where nothing is known; both count as no value. A snapshot shows nothing of itself in a log: no
class here has a repr with values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType

from claims.errors import MalformedFacts, UnknownFact

CUSTOM_FIELDS = range(1, 61)
ROLE_CODE_FIELD = 58
"""Where a biller's invoice file carries role codes, unless its policy says otherwise."""


class ValueType(StrEnum):
    """The type of a fact and of a claim."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    INSTANT = "instant"
    TEXTS = "texts"
    """A list of texts."""
    RECORDS = "records"
    """A list of objects whose members are texts."""


Record = tuple[tuple[str, str], ...]
"""One object: its members in order."""

FactValue = str | bool | int | datetime | tuple[str, ...] | tuple[Record, ...]
"""By ValueType: text, boolean, integer, aware UTC datetime, texts, records."""


def _utc(value: datetime, name: str) -> datetime:
    if value.tzinfo is None:
        raise MalformedFacts(f"{name} has no zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise MalformedFacts(f"{name} is out of range") from None


@dataclass(frozen=True, slots=True, repr=False)
class Payer:
    """The user."""

    login_guid: str
    partner_user_id: str = ""
    username: str = ""
    email: str = ""
    email_verified: bool = False
    phone: str = ""
    """As stored; E.164 where it is known to be."""
    name: str = ""
    locale: str = ""
    """BCP 47."""


@dataclass(frozen=True, slots=True, repr=False)
class Registration:
    """The payer's standing on the account in play."""

    login_type: int
    """1 Owner, 2 Co-owner, 3 Oversight, 4 Guest."""
    role: str
    """The same as a word."""
    registered_at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "registered_at", _utc(self.registered_at, "registration.registered_at"))


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """The account in play."""

    account_number: str
    base: str = ""
    sub: str = ""
    """Base and sub of a number in the form base-sub."""
    display_number: str = ""
    service_location_id: str = ""
    customer_name: str = ""
    service_address: str = ""
    commodity: str = ""
    custom: Mapping[int, str] = field(default_factory=dict)
    """Custom fields 1 to 60 that have a value. What stands in the field of role codes is never read."""
    meters: tuple[str, ...] = ()
    portal_url: str = ""
    pay_url: str = ""

    def __post_init__(self) -> None:
        if not all(number in CUSTOM_FIELDS for number in self.custom):
            raise MalformedFacts("account.custom has a field that is not 1 to 60")
        object.__setattr__(self, "custom", MappingProxyType(dict(self.custom)))
        object.__setattr__(self, "meters", tuple(self.meters))


@dataclass(frozen=True, slots=True, repr=False)
class LinkedAccount:
    """One of all active accounts of the payer."""

    account_number: str
    role: str
    display_number: str = ""
    service_location_id: str = ""
    commodity: str = ""

    def record(self) -> Record:
        """As an object of a claim; members without a value are left out."""
        members = (
            ("account_number", self.account_number),
            ("display_number", self.display_number),
            ("service_location_id", self.service_location_id),
            ("commodity", self.commodity),
            ("role", self.role),
        )
        return tuple((name, value) for name, value in members if value)


@dataclass(frozen=True, slots=True, repr=False)
class Biller:
    """The tenant."""

    bid: int
    dba: str
    role_code_field: int = ROLE_CODE_FIELD
    """The custom field that carries role codes, whatever its account rows hold: it is no fact."""


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """How and when the payer signed in. `acr` as in the hub's registry, `amr` by RFC 8176."""

    auth_time: datetime
    acr: str = ""
    amr: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "auth_time", _utc(self.auth_time, "session.auth_time"))
        object.__setattr__(self, "amr", tuple(self.amr))


@dataclass(frozen=True, slots=True, repr=False)
class ActingRep:
    """A service representative who acts for the payer (CSR)."""

    id: str
    name: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Facts:
    """Everything that a claim may be made from, at one moment. None: there is no such thing here, so its facts have no value."""

    payer: Payer
    biller: Biller
    registration: Registration | None = None
    account: Account | None = None
    accounts: tuple[LinkedAccount, ...] = ()
    session: Session | None = None
    actor: ActingRep | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "accounts", tuple(self.accounts))

    def value(self, name: str) -> FactValue | None:
        """The value of a fact, of the type that the catalogue says; None when there is none. Raises UnknownFact."""
        fact = CATALOGUE.get(name)
        if fact is None:
            raise UnknownFact(name)
        return fact.value_in(self)


@dataclass(frozen=True, slots=True)
class Fact:
    """One entry of the catalogue. `example` is of the entry's type and made up."""

    name: str
    type: ValueType
    description: str
    example: FactValue
    read: Callable[[Facts], FactValue | None] = field(repr=False, compare=False)

    def value_in(self, facts: Facts) -> FactValue | None:
        """The value in a snapshot; an empty text or list is none."""
        value = self.read(facts)
        return None if value == "" or value == () else value


def _payer(name: str, description: str, example: str) -> Fact:
    get = attrgetter(name)
    return Fact(f"payer.{name}", ValueType.TEXT, description, example, lambda facts: get(facts.payer))


def _account(name: str, description: str, example: str) -> Fact:
    get = attrgetter(name)
    return Fact(
        f"account.{name}", ValueType.TEXT, description, example, lambda facts: get(facts.account) if facts.account else None
    )


def _custom(number: int) -> Fact:
    def read(facts: Facts) -> str | None:
        if facts.account is None or facts.biller.role_code_field == number:
            return None
        return facts.account.custom.get(number)

    return Fact(f"account.custom{number}", ValueType.TEXT, f"Custom field {number} of the account", f"Value {number}", read)


def _accounts(name: str, member: str, description: str, example: tuple[str, ...]) -> Fact:
    get = attrgetter(member)

    def read(facts: Facts) -> tuple[str, ...]:
        return tuple(dict.fromkeys(text for linked in facts.accounts if (text := get(linked))))

    return Fact(f"accounts.{name}", ValueType.TEXTS, description, example, read)


def _catalogue() -> tuple[Fact, ...]:
    moment = datetime(2026, 11, 18, 15, 5, tzinfo=UTC)
    linked = LinkedAccount("1001-01", "Owner", "1001-01", "SL-2001", "water").record()
    text, boolean, integer, instant, texts, records = ValueType
    return (
        _payer("login_guid", "The payer's id at this biller; never given to anybody else", "0198c2f4-5d1e-7c3a-9f10-2b6a4d8e7f01"),
        _payer("partner_user_id", "The id that the partner knows the payer by", "util-48213"),
        _payer("username", "User name", "ann.lee"),
        _payer("email", "E-mail address; several payers may share one", "ann.lee@example.com"),
        Fact("payer.email_verified", boolean, "Whether the address is confirmed", True, lambda facts: facts.payer.email_verified),
        _payer("phone", "Phone number", "+15555550100"),
        _payer("name", "The payer's own name", "Ann Lee"),
        _payer("locale", "Language of the payer (BCP 47)", "en-US"),
        Fact(
            "registration.login_type",
            integer,
            "Standing on the account in play: 1 Owner, 2 Co-owner, 3 Oversight, 4 Guest",
            1,
            lambda facts: facts.registration.login_type if facts.registration else None,
        ),
        Fact(
            "registration.role",
            text,
            "The same as a word: Owner, Co-owner, Oversight, Guest",
            "Owner",
            lambda facts: facts.registration.role if facts.registration else None,
        ),
        Fact(
            "registration.registered_at",
            instant,
            "When the payer was registered on the account in play",
            moment,
            lambda facts: facts.registration.registered_at if facts.registration else None,
        ),
        _account("account_number", "Number of the account in play, in the biller's canonical form", "1001-01"),
        _account("base", "The part before the dash", "1001"),
        _account("sub", "The part behind the dash", "01"),
        _account("display_number", "The number as the biller prints it", "1001-01"),
        _account("service_location_id", "Service location or premise", "SL-2001"),
        _account("customer_name", "Name on the account", "LEE, ANN"),
        _account("service_address", "Service address in one line", "12 Mill Lane, Riverbend"),
        _account("commodity", "water, electric, gas, sewer or other", "water"),
        *(_custom(number) for number in CUSTOM_FIELDS),
        Fact(
            "account.meters",
            texts,
            "Meters of the account",
            ("M-77012", "M-77013"),
            lambda facts: facts.account.meters if facts.account else None,
        ),
        _account("portal_url", "The customer portal, at this account", "https://riverbend.example.com/b/riverbend/"),
        _account("pay_url", "The payment page, at this account", "https://riverbend.example.com/b/riverbend/pay"),
        _accounts("account_numbers", "account_number", "Numbers of all active accounts of the payer", ("1001-01", "1004-01")),
        _accounts("display_numbers", "display_number", "The same as the biller prints them", ("1001-01", "1004-01")),
        _accounts(
            "service_location_ids", "service_location_id", "Service locations of all active accounts", ("SL-2001", "SL-2004")
        ),
        Fact(
            "accounts.all",
            records,
            "All active accounts: account_number, display_number, service_location_id, commodity, role",
            (linked,),
            lambda facts: tuple(account.record() for account in facts.accounts),
        ),
        Fact("biller.bid", integer, "BID of the biller", 9001, lambda facts: facts.biller.bid),
        Fact(
            "biller.dba",
            text,
            "Name that the biller does business under",
            "Riverbend Water & Light",
            lambda facts: facts.biller.dba,
        ),
        Fact(
            "session.auth_time",
            instant,
            "When the payer proved who they are",
            moment,
            lambda facts: facts.session.auth_time if facts.session else None,
        ),
        Fact(
            "session.acr",
            text,
            "How strong the proof was: partner, pwd, mfa or phr",
            "pwd",
            lambda facts: facts.session.acr if facts.session else None,
        ),
        Fact(
            "session.amr",
            texts,
            "By which methods (RFC 8176)",
            ("pwd",),
            lambda facts: facts.session.amr if facts.session else None,
        ),
        Fact(
            "actor.id",
            text,
            "The representative who acts for the payer",
            "rep-17",
            lambda facts: facts.actor.id if facts.actor else None,
        ),
        Fact(
            "actor.name", text, "Name of that representative", "Sam Ortiz", lambda facts: facts.actor.name if facts.actor else None
        ),
    )


CATALOGUE: Mapping[str, Fact] = MappingProxyType({fact.name: fact for fact in _catalogue()})
"""Every fact by name, in the order of the console and of the docs."""


def holds_role_codes(name: str, role_code_field: int) -> bool:
    """Whether a fact is the custom field that carries a biller's role codes. Those are secrets: no claim says them."""
    return name == f"account.custom{role_code_field}"


def list_facts(role_code_field: int = ROLE_CODE_FIELD) -> tuple[Fact, ...]:
    """What a biller may use, in the catalogue's order."""
    return tuple(fact for fact in CATALOGUE.values() if not holds_role_codes(fact.name, role_code_field))


def table() -> str:
    """The catalogue as a Markdown table: name, type, what it says, an example."""
    rows = (f"| `{fact.name}` | {fact.type.value} | {fact.description} | `{_shown(fact.example)}` |" for fact in CATALOGUE.values())
    return "\n".join(("| fact | type | what it says | example |", "|---|---|---|---|", *rows, ""))


def _shown(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case tuple():
            return ", ".join(part if isinstance(part, str) else str(dict(part)) for part in value)
        case _:
            return str(value)
