"""Checks the change log: walks the whole chain once, in batches, and lists what does not hold.

    rows         every link is recomputed from the links that are stored, so one altered row is one finding and not all that follow
    values       must agree with their commitment; a row with a commitment and no values must be named by an erasing row
    erasing      a row that names what was erased must carry our proof, keep its own values, and name only rows before it that have
                 no values any more
    checkpoints  what was signed, here or exported, must agree with the chain

An erasing row that is forged by somebody who holds the master key (an operator) cannot be told from a true one: that is why each
is listed with who did it, why and how many values, to be compared with what was asked for. Without a checkpoint that was kept
elsewhere nobody can tell whether rows at the end are gone, or the whole chain was written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from idp.changelog import GENESIS, ChangeRow, ChangeValues, SealStore, next_link
from idp.erasure import Erasing, ErasureStore


class Fault(StrEnum):
    """What a verification can find."""

    ALTERED = "altered"
    MISSING = "missing"
    VALUES_ALTERED = "values_altered"
    VALUES_MISSING = "values_missing"
    ERASURE = "erasure"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: at which seal (0: none), and what is wrong there."""

    fault: Fault
    seal: int
    what: str


@dataclass(frozen=True, slots=True)
class Erased:
    """An erasing row that holds: who erased the values of how many rows, whose, and why. `seal` None: not sealed yet."""

    seal: int | None
    row_id: int
    at: datetime
    bid: int
    actor: str
    on: str
    reason: str
    values: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a verification; sound when `findings` is empty.

    `hidden`: findings beyond those listed. `erased`: what was erased, in the order of the chain. `exported`: the highest seal up to
    which a checkpoint that was kept elsewhere agrees with the chain; 0: there is none.
    """

    sealed: int
    unsealed: int
    checkpoints: int
    findings: tuple[Finding, ...]
    hidden: int = 0
    erased: tuple[Erased, ...] = ()
    exported: int = 0


@dataclass(frozen=True, slots=True)
class Trust:
    """How the verifier tells what is ours.

    `claims`: of a checkpoint's token, None when its signature is not ours. `is_ours`: whether this hub wrote an erasing row.
    """

    claims: Callable[[str], Mapping[str, Any] | None]
    is_ours: Callable[[Erasing], bool]


def verify(seals: SealStore, erasures: ErasureStore, trust: Trust, exported: Iterable[str] = (), most: int = 100) -> Verdict:
    """Walk the whole chain. `exported` are checkpoint tokens that were kept elsewhere. At most `most` findings are listed."""
    findings = _Findings(most)
    kept, given = [checkpoint.token for checkpoint in seals.list_checkpoints()], list(exported)
    stated = _Stated(trust, kept, given, findings)
    values = _Values(erasures, trust, findings)
    expected, link = 1, GENESIS
    for row, row_values in seals.iter_sealed():
        assert row.seal is not None  # noqa: S101  (iter_sealed)
        if row.seal != expected:
            findings.add(Fault.MISSING, expected, f"rows {expected} to {row.seal - 1} are missing")
        elif next_link(link, row) != row.link:
            findings.add(Fault.ALTERED, row.seal, f"row {row.id} does not agree with its link")
        values.look(row, row_values)
        stated.look(row)
        expected, link = row.seal + 1, row.link or ""
    for row, row_values in erasures.iter_unsealed_erasing():
        values.look(row, row_values)
    values.end()
    stated.end()
    return Verdict(
        sealed=expected - 1,
        unsealed=seals.count_unsealed(),
        checkpoints=len(kept) + len(given),
        findings=tuple(findings.listed),
        hidden=findings.hidden,
        erased=tuple(values.erased),
        exported=stated.agreed,
    )


class _Findings:
    """The first so many; the others are counted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.listed: list[Finding] = []
        self.hidden = 0

    def add(self, fault: Fault, seal: int, what: str) -> None:
        if len(self.listed) < self._most:
            self.listed.append(Finding(fault, seal, what))
        else:
            self.hidden += 1


class _Values:
    """Values and commitments. Remembers rows without values until an erasing row names them."""

    def __init__(self, erasures: ErasureStore, trust: Trust, findings: _Findings) -> None:
        self._erasures = erasures
        self._is_ours = trust.is_ours
        self._findings = findings
        self._without: dict[int, int] = {}
        """Row id -> seal, of rows whose values nobody has explained yet."""
        self._proofs: set[str] = set()
        self.erased: list[Erased] = []

    def look(self, row: ChangeRow, values: ChangeValues | None) -> None:
        seal = row.seal or 0
        erasing = Erasing.of(row, values)
        if values is not None and values.commitment() != row.commitment:
            self._findings.add(Fault.VALUES_ALTERED, seal, f"the values of row {row.id} do not agree with it")
            return
        if values is None and row.commitment and row.seal is not None:
            self._without[row.id] = row.seal
        if erasing is not None and values is not None:
            self._explain(erasing)

    def _explain(self, erasing: Erasing) -> None:
        seal = erasing.seal or 0
        who = f"{erasing.actor_kind} {erasing.actor_id}"
        if not self._is_ours(erasing):
            self._findings.add(
                Fault.ERASURE, seal, f"row {erasing.row_id} says that {who} erased values, and this hub did not write it"
            )
            return
        if erasing.proof in self._proofs:
            self._findings.add(Fault.ERASURE, seal, f"row {erasing.row_id} is a copy of an earlier erasing row")
            return
        self._proofs.add(erasing.proof)
        self.erased.append(
            Erased(erasing.seal, erasing.row_id, erasing.at, erasing.bid, who, erasing.on, erasing.reason, len(erasing.rows))
        )
        # While we walk, somebody may erase values that we have seen a moment ago: only what still has them is a fault.
        for row in sorted(self._erasures.list_with_values([each for each in erasing.rows if each not in self._without])):
            self._findings.add(
                Fault.ERASURE, seal, f"row {erasing.row_id} says that {who} erased the values of row {row}: it has some"
            )
        for row in erasing.rows:
            self._without.pop(row, None)

    def end(self) -> None:
        for row, seal in self._without.items():
            self._findings.add(Fault.VALUES_MISSING, seal, f"the values of row {row} are gone, and no erasing row names it")


class _Stated:
    """What checkpoints state about the chain."""

    def __init__(self, trust: Trust, kept: list[str], given: list[str], findings: _Findings) -> None:
        self._claims = trust.claims
        self._findings = findings
        self._links: dict[int, set[str]] = {}
        self.agreed = 0
        for token in kept:
            self._state(token)
        self._given = {seal for seal in map(self._state, given) if seal is not None}

    def _state(self, token: str) -> int | None:
        claims = self._claims(token)
        if claims is None:
            self._findings.add(Fault.CHECKPOINT, 0, "a checkpoint is not signed by us")
            return None
        seal = int(claims["seal"])
        self._links.setdefault(seal, set()).add(str(claims["link"]))
        return seal

    def look(self, row: ChangeRow) -> None:
        seal = row.seal or 0
        if self._links.pop(seal, set()) - {row.link}:
            self._findings.add(Fault.CHECKPOINT, seal, "the chain does not agree with a checkpoint")
        elif seal in self._given:
            self.agreed = seal

    def end(self) -> None:
        for seal in sorted(self._links):
            self._findings.add(Fault.MISSING, seal, "a checkpoint knows this seal, the chain ends before it")
