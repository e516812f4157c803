"""Uploaded files, their pieces, and themes in SQL: each biller and each partner sees its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from hub.storage.stores import Stores
from idp.opaque import new_id
from sso_connect.imports.uploads import Upload
from sso_connect.themes import Theme
from tests.contracts.sql_stores import BIRCHWOOD, OAKDALE, START, DirectoryCase, later, sample_key, sample_partner, stranger


@pytest.fixture
def keys(directory: DirectoryCase) -> dict[int, UUID]:
    """A key of one partner at each biller."""
    made = {bid: sample_key(bid, directory.partner) for bid in (OAKDALE, BIRCHWOOD)}
    directory.add(*made.values())
    return {bid: key.id for bid, key in made.items()}


def upload(bid: int, key_id: UUID, **changes: Any) -> Upload:
    made = Upload(bid, new_id(), key_id, "bills.bif", 3, "digest", "waiting", "request", START)
    return replace(made, **changes)


def add(directory: DirectoryCase, *uploads: Upload) -> None:
    def write(stores: Stores) -> None:
        for each in uploads:
            stores.uploads.add_upload(each)
            stores.upload_pieces.add_piece(each.bid, each.id, 0, f"piece of {each.bid}")

    directory.put(write)


def found(directory: DirectoryCase, wanted: Upload, **how: Any) -> Upload | None:
    return directory.get(lambda stores: stores.uploads.find_upload(wanted.bid, wanted.id, **how))


def piece(directory: DirectoryCase, of: Upload, bid: int | None = None) -> str | None:
    return directory.get(lambda stores: stores.upload_pieces.find_piece(bid or of.bid, of.id, 0))


def test_an_upload_comes_back_as_it_was_put_and_at_its_biller_only(directory: DirectoryCase, keys: dict[int, UUID]) -> None:
    made = upload(OAKDALE, keys[OAKDALE], file_name="ż 'x'.bif", size=2**33)
    add(directory, made)
    assert found(directory, made) == found(directory, made, lock=True) == made
    assert found(directory, replace(made, bid=BIRCHWOOD)) is None
    assert piece(directory, made) == "piece of 101"
    assert piece(directory, made, BIRCHWOOD) is None
    changed = replace(made, state="done", run_id=stranger(), reason="why", size=4, digest="other", created_at=later(1))
    directory.put(lambda stores: stores.uploads.put_upload(changed))
    directory.put(lambda stores: stores.uploads.put_upload(replace(made, bid=BIRCHWOOD)))
    assert found(directory, made) == changed


def test_an_upload_is_found_by_the_keys_of_its_partner_only(directory: DirectoryCase, keys: dict[int, UUID]) -> None:
    other = sample_partner("meadow")
    directory.put(lambda stores: stores.partners.add_partner(other))
    made = upload(OAKDALE, keys[OAKDALE])
    add(directory, made)
    assert found(directory, made, partner_id=directory.partner.id) == made
    assert found(directory, made, partner_id=other.id) is None
    assert found(directory, replace(made, bid=BIRCHWOOD), partner_id=directory.partner.id) is None


def test_the_newest_is_the_one_that_came_in_last_at_the_biller(directory: DirectoryCase, keys: dict[int, UUID]) -> None:
    first = upload(OAKDALE, keys[OAKDALE], created_at=later(1))
    last = upload(OAKDALE, keys[OAKDALE], created_at=later(2), state="refused")
    coming = upload(OAKDALE, keys[OAKDALE], created_at=later(9), state="receiving")
    there = upload(BIRCHWOOD, keys[BIRCHWOOD], created_at=later(8))
    add(directory, last, first, coming)
    assert directory.get(lambda stores: stores.uploads.find_newest(BIRCHWOOD)) is None
    add(directory, there)
    assert directory.get(lambda stores: stores.uploads.find_newest(OAKDALE)) == last
    assert directory.get(lambda stores: stores.uploads.find_newest(BIRCHWOOD)) == there


def test_an_upload_is_first_while_no_older_one_of_its_biller_waits_or_runs(directory: DirectoryCase, keys: dict[int, UUID]) -> None:
    older = upload(OAKDALE, keys[OAKDALE], state="running")
    same_time = upload(OAKDALE, keys[OAKDALE])
    over = [
        upload(OAKDALE, keys[OAKDALE], created_at=later(-5), state=state) for state in ("done", "refused", "failed", "receiving")
    ]
    there = upload(BIRCHWOOD, keys[BIRCHWOOD], created_at=later(5))
    add(directory, older, same_time, there, *over)
    with directory.database.read() as stores:
        assert [stores.uploads.is_first(each) for each in (older, same_time, there)] == [True, False, True]
    directory.put(lambda stores: stores.uploads.put_upload(replace(older, state="done")))
    assert directory.get(lambda stores: stores.uploads.is_first(same_time))


def test_pieces_go_with_their_upload_and_can_go_before_it(directory: DirectoryCase, keys: dict[int, UUID]) -> None:
    here, there = upload(OAKDALE, keys[OAKDALE]), upload(BIRCHWOOD, keys[BIRCHWOOD])
    there = replace(there, id=here.id)
    add(directory, here, there)
    directory.put(lambda stores: stores.upload_pieces.drop_pieces(OAKDALE, here.id))
    assert (piece(directory, here), piece(directory, there)) == (None, "piece of 202")
    directory.put(lambda stores: stores.uploads.drop_upload(BIRCHWOOD, there.id))
    assert (found(directory, here), found(directory, there), piece(directory, there)) == (here, None, None)


def test_a_purge_takes_what_is_past_its_time_oldest_first_and_no_more_than_it_may(
    directory: DirectoryCase, keys: dict[int, UUID]
) -> None:
    old = [upload(bid, keys[bid], created_at=later(-100 + n), state="done") for n, bid in enumerate((OAKDALE, BIRCHWOOD, OAKDALE))]
    lost = upload(OAKDALE, keys[OAKDALE], created_at=later(-20), state="receiving")
    kept = upload(OAKDALE, keys[OAKDALE], created_at=later(-20))
    add(directory, *old, lost, kept)

    def purge() -> int:
        return directory.put(lambda stores: stores.uploads.purge_uploads(later(-50), later(-10), 2))

    assert (purge(), [found(directory, each) is None for each in old]) == (2, [True, True, False])
    assert (purge(), purge()) == (2, 0)
    assert [found(directory, each) is None for each in (*old, lost, kept)] == [True, True, True, True, False]
    assert piece(directory, old[2]) is None


def theme(bid: int, partner_id: UUID | None, **changes: Any) -> Theme:
    return replace(Theme(bid, new_id(), "https://portal.example.com/a.css", partner_id, "awaiting", START), **changes)


def test_a_biller_has_a_stylesheet_once_whoever_asks(directory: DirectoryCase) -> None:
    here, there = theme(OAKDALE, directory.partner.id), theme(BIRCHWOOD, None)
    later_one = theme(OAKDALE, None, css_url="https://portal.example.com/b.css", created_at=START + timedelta(minutes=1))
    with directory.database.begin() as stores:
        assert [stores.themes.add_theme(each) for each in (later_one, here, there)] == [True, True, True]
    assert not directory.put(lambda stores: stores.themes.add_theme(theme(OAKDALE, None)))
    assert directory.get(lambda stores: stores.themes.list_themes(OAKDALE)) == [here, later_one]
    assert directory.get(lambda stores: stores.themes.list_themes(BIRCHWOOD)) == [there]


def test_of_the_same_stylesheet_asked_for_at_once_one_is_added(directory: DirectoryCase) -> None:
    def ask() -> bool:
        return directory.put(lambda stores: stores.themes.add_theme(theme(OAKDALE, None)))

    assert sorted(map(bool, directory.race(*[ask] * 6))) == [False] * 5 + [True]
