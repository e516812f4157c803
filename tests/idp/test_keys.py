"""Signing keys: made once, sealed at rest, and tokens that another library finds good too."""

from __future__ import annotations

import base64
import json
from threading import Barrier
from typing import Any

import pytest
from jose import jws as second_opinion
from sqlalchemy import select

from hub.storage.sql.data_keys import SqlDataKeyStore
from hub.storage.tables.keys import signing_keys
from idp.keys import SigningKeys
from idp.secrets import INSTALLATION, Secrets
from tests import databases
from tests.databases import SqlCase

sql = databases.sql

CLAIMS = {"seal": 7, "link": "ab" * 32, "iat": 1_935_664_200}


def worker(sql: SqlCase) -> SigningKeys:
    """The service as each process has its own."""
    secrets = Secrets((b"1" * 32,), SqlDataKeyStore(sql.single))
    secrets.check()
    return SigningKeys(sql.begin, sql.clock, secrets)


def header(token: str) -> dict[str, Any]:
    return decode(token.split(".")[0])


def decode(part: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def test_a_token_is_es256_with_kid_and_type(sql: SqlCase) -> None:
    keys = worker(sql)
    token = keys.sign("checkpoint", CLAIMS)
    (public,) = keys.public_keys("checkpoint")
    assert header(token) == {"alg": "ES256", "kid": public["kid"], "typ": "idhub-checkpoint+jwt"}


def test_what_one_worker_signed_another_checks(sql: SqlCase) -> None:
    assert worker(sql).check("checkpoint", worker(sql).sign("checkpoint", CLAIMS)) == CLAIMS


def test_python_jose_finds_the_signature_good_with_the_published_key(sql: SqlCase) -> None:
    keys = worker(sql)
    token = keys.sign("checkpoint", CLAIMS)
    (public,) = keys.public_keys("checkpoint")
    assert json.loads(second_opinion.verify(token, public, algorithms=["ES256"])) == CLAIMS


def test_the_published_key_is_public_only(sql: SqlCase) -> None:
    keys = worker(sql)
    keys.sign("checkpoint", CLAIMS)
    (public,) = keys.public_keys("checkpoint")
    assert set(public) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (public["kty"], public["crv"], public["alg"], public["use"]) == ("EC", "P-256", "ES256", "sig")


def test_the_private_half_is_sealed_at_rest(sql: SqlCase) -> None:
    worker(sql).sign("checkpoint", CLAIMS)
    with sql.engine.connect() as connection:
        (kept,) = connection.execute(select(signing_keys)).all()
    assert kept.private.startswith("v1.")
    assert '"d"' not in kept.private
    assert '"d"' not in kept.public
    assert (kept.bid, kept.state) == (INSTALLATION, "active")


def test_one_key_signs_however_often(sql: SqlCase) -> None:
    keys = worker(sql)
    assert {header(keys.sign("checkpoint", CLAIMS))["kid"] for _ in range(3)} == {keys.public_keys("checkpoint")[0]["kid"]}


def test_workers_that_sign_for_the_first_time_at_once_use_one_key(sql: SqlCase) -> None:
    together = Barrier(4)

    def sign() -> str:
        keys = worker(sql)
        together.wait()
        return keys.sign("checkpoint", CLAIMS)

    signed = [each.result(timeout=60) for each in [sql.run_beside(sign) for _ in range(4)]]
    assert len({header(token)["kid"] for token in signed}) == 1
    assert [worker(sql).check("checkpoint", token) for token in signed] == [CLAIMS] * 4


def test_a_token_whose_claims_were_altered_is_not_ours(sql: SqlCase) -> None:
    keys = worker(sql)
    head, _, signature = keys.sign("checkpoint", CLAIMS).split(".")
    assert keys.check("checkpoint", f"{head}.{encode(CLAIMS | {'seal': 8})}.{signature}") is None


def test_the_algorithm_comes_from_the_key_and_never_from_the_token(sql: SqlCase) -> None:
    """RFC 8725 3.1: neither `none` nor an HMAC keyed with our public key."""
    keys = worker(sql)
    token = keys.sign("checkpoint", CLAIMS)
    _, body, signature = token.split(".")
    (public,) = keys.public_keys("checkpoint")
    for algorithm in ("none", "HS256", "RS256"):
        forged = encode(header(token) | {"alg": algorithm})
        assert keys.check("checkpoint", f"{forged}.{body}.{signature}") is None
        assert keys.check("checkpoint", f"{forged}.{body}.") is None
    hashed = second_opinion.sign(CLAIMS, json.dumps(public), headers={"kid": public["kid"]}, algorithm="HS256")
    assert keys.check("checkpoint", hashed) is None


def test_a_token_of_another_type_is_refused_though_its_signature_is_good(sql: SqlCase) -> None:
    """RFC 8725 3.11: a token of one purpose does not serve for another."""
    keys = worker(sql)
    keys.sign("checkpoint", CLAIMS)
    (public,) = keys.public_keys("checkpoint")
    private = next(iter(keys._parsed.values())).as_dict(private=True)
    for typ in ("JWT", None):
        head = {"kid": public["kid"]} | ({"typ": typ} if typ else {})
        token = second_opinion.sign(CLAIMS, private, headers=head, algorithm="ES256")
        assert json.loads(second_opinion.verify(token, public, algorithms=["ES256"])) == CLAIMS
        assert keys.check("checkpoint", token) is None


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "x" * 10_000, "e30.e30.", "bnVsbA.bnVsbA.AA"])
def test_what_is_no_token_is_not_ours(sql: SqlCase, token: str) -> None:
    keys = worker(sql)
    keys.sign("checkpoint", CLAIMS)
    assert keys.check("checkpoint", token) is None


def test_a_token_is_checked_where_there_are_no_keys_yet(sql: SqlCase) -> None:
    assert worker(sql).check("checkpoint", "a.b.c") is None
    assert worker(sql).public_keys("checkpoint") == []
