"""Values without meaning: they do not repeat, sort by time where they should, and leave nothing but a digest."""

from __future__ import annotations

import re
import string
import uuid
from itertools import pairwise

import pytest

from idp.opaque import digest, new_id, new_reference, new_secret, same


def test_ids_are_version_seven_and_never_repeat() -> None:
    made = [new_id() for _ in range(5000)]
    assert all(type(each) is uuid.UUID and each.version == 7 and each.variant == uuid.RFC_4122 for each in made)
    assert len(set(made)) == len(made)


def test_ids_begin_with_their_millisecond_so_that_later_ones_sort_later() -> None:
    made = [new_id().int >> 80 for _ in range(5000)]
    assert all(earlier <= later for earlier, later in pairwise(made))


@pytest.mark.parametrize("prefix", ["", "idhk_", "idht_"])
def test_a_secret_has_256_bits_in_base64url_behind_its_prefix(prefix: str) -> None:
    made = {new_secret(prefix) for _ in range(2000)}
    assert len(made) == 2000
    assert all(re.fullmatch(prefix + r"[A-Za-z0-9_-]{43}", each) for each in made)


def test_a_reference_can_be_read_out_on_the_telephone() -> None:
    made = {new_reference() for _ in range(2000)}
    assert len(made) == 2000
    assert {len(each) for each in made} == {10}
    assert set("".join(made)) == set(string.ascii_uppercase + string.digits) - set("0O1ILU")


def test_a_digest_is_sha_256_in_hex() -> None:
    # FIPS 180-4, the example of one block
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest("a") != digest("A")
    assert digest("é") == digest("\u00e9")


@pytest.mark.parametrize(
    ("left", "right", "equal"), [("", "", True), ("a", "a", True), ("a", "A", False), ("a", "", False), ("é", "é", True)]
)
def test_equality_is_that_of_texts(left: str, right: str, equal: bool) -> None:
    assert same(left, right) is equal
