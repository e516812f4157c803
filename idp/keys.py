"""Signing keys and the tokens that they sign: the one place that touches JOSE below the protocols.

Keys are ES256 (RFC 7518 3.4) unless a peer needs otherwise. The private half is sealed at rest; parsed keys stay in the process,
because parsing costs more than signing. What verifies a token takes the algorithm from the key, never from the token's header.
`idhub verify` and the tests let another library (python-jose) check everything that is signed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from idp.clock import Clock
from idp.opaque import new_id
from idp.secrets import INSTALLATION, Place, Secrets
from idp.transaction import Begin

Purpose = Literal["checkpoint"]
KeyState = Literal["next", "active", "retiring"]
ALGORITHM = "ES256"
_TYPES: Mapping[Purpose, str] = {"checkpoint": "idhub-checkpoint+jwt"}
"""The `typ` of each purpose's tokens: a token of one purpose is refused where another is expected (RFC 8725 3.11)."""

_MOST_TOKEN_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair: public JWK as JSON text, private JWK sealed."""

    kid: str
    bid: int
    purpose: Purpose
    state: KeyState
    public: str
    private: str
    created_at: datetime


class SigningKeyStore(Protocol):
    """Signing keys in the database."""

    def list_keys(self, bid: int, purpose: Purpose) -> list[SigningKey]:
        """All keys of a purpose, oldest first."""
        ...

    def add_key(self, key: SigningKey) -> bool:
        """Insert; False when another worker made the active one in the meantime."""
        ...


class SigningKeyStores(Protocol):
    """The slice of stores that this service works with."""

    @property
    def signing_keys(self) -> SigningKeyStore: ...


class SigningKeys:
    """Signs and checks tokens of the installation."""

    def __init__(self, begin: Begin[SigningKeyStores], clock: Clock, secrets: Secrets) -> None:
        self._begin = begin
        self._clock = clock
        self._secrets = secrets
        self._parsed: dict[str, ECKey] = {}

    def sign(self, purpose: Purpose, claims: Mapping[str, Any]) -> str:
        """A compact JWS (RFC 7515 7.1) over the claims, with kid and typ."""
        key = self._active(purpose)
        header = {"alg": ALGORITHM, "kid": key.kid, "typ": _TYPES[purpose]}
        private = self._parsed.get(key.kid)
        if private is None:
            private = ECKey.import_key(json.loads(self._secrets.open(_private_of(key.kid), key.private)))
            self._parsed[key.kid] = private
        return jws.serialize_compact(header, json.dumps(dict(claims), sort_keys=True), private, algorithms=[ALGORITHM])

    def prepare(self, purpose: Purpose) -> None:
        """Make the first key of a purpose, where there is none."""
        self._active(purpose)

    def check(self, purpose: Purpose, token: str) -> dict[str, Any] | None:
        """The claims of a token of this purpose that one of our keys signed; None for everything else."""
        if len(token) > _MOST_TOKEN_CHARACTERS:
            return None
        for key in self.public_keys(purpose):
            try:
                read = jws.deserialize_compact(token, ECKey.import_key(key), algorithms=[ALGORITHM])
                claims = json.loads(read.payload)
            except (JoseError, ValueError):
                continue
            header = read.headers()
            if header.get("typ") == _TYPES[purpose] and header.get("kid") == key["kid"] and isinstance(claims, dict):
                return claims
        return None

    def public_keys(self, purpose: Purpose) -> list[dict[str, Any]]:
        """The public JWKs of a purpose, with kid, alg and use (RFC 7517)."""
        with self._begin() as stores:
            return [json.loads(key.public) for key in stores.signing_keys.list_keys(INSTALLATION, purpose)]

    def _active(self, purpose: Purpose) -> SigningKey:
        # Before the transaction: a data key that is made inside of one would wait for it, on SQLite until both give up.
        self._secrets.prepare(INSTALLATION)
        for _ in range(2):
            with self._begin() as stores:
                for key in stores.signing_keys.list_keys(INSTALLATION, purpose):
                    if key.state == "active":
                        return key
                stores.signing_keys.add_key(self._generate(purpose))
        raise AssertionError("a key that was just added is not there")

    def _generate(self, purpose: Purpose) -> SigningKey:
        kid = str(new_id())
        pair = ECKey.generate_key("P-256", {"kid": kid, "alg": ALGORITHM, "use": "sig"}, private=True)
        return SigningKey(
            kid=kid,
            bid=INSTALLATION,
            purpose=purpose,
            state="active",
            public=json.dumps(pair.as_dict(private=False), sort_keys=True),
            private=self._secrets.seal(_private_of(kid), json.dumps(pair.as_dict(private=True))),
            created_at=self._clock.now(),
        )


def _private_of(kid: str) -> Place:
    return Place(INSTALLATION, "signing_keys", kid, "private")
