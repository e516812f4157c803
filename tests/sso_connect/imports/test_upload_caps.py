"""How many uploaded files may wait: of one key, and of one biller."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from idp.actor import Partner
from idp.errors import TooManyUploads
from idp.opaque import new_id
from sso_connect.imports.bif_rows import MAX_FILE_BYTES
from sso_connect.imports.uploads import COMES_IN_WITHIN, MOST_OF_BILLER, MOST_OF_KEY, PIECE
from tests.contracts.sql_stores import sample_key
from tests.sso_connect.imports import test_uploads as uploads
from tests.sso_connect.imports.import_house import POWER, WATER
from tests.sso_connect.imports.test_uploads import FILE, Dripping, Office

office = uploads.office


def other(number: int) -> bytes:
    """A file unlike any other."""
    return FILE + b"#%d" % number


def test_a_key_has_five_files_waiting_at_most_and_another_key_goes_on(office: Office) -> None:
    for number in range(MOST_OF_KEY):
        office.send(other(number))
    before = office.house.everything()
    for sent in (other(99), Dripping(MAX_FILE_BYTES)):
        with pytest.raises(TooManyUploads) as refused:
            office.send(sent)
        assert refused.value.retry_after == TooManyUploads.again_in
    assert office.house.everything() == before
    office.send(other(100), key="again")
    office.work()
    office.send(other(101))


def test_a_file_over_the_cap_is_not_even_read(office: Office) -> None:
    for number in range(MOST_OF_KEY):
        office.send(other(number))
    sender = Dripping(3 * PIECE)
    with pytest.raises(TooManyUploads):
        office.send(sender)
    assert sender.asked == [0]


def test_files_that_are_coming_in_count_until_their_sender_must_be_gone(office: Office) -> None:
    left = [replace(office.send(other(number)), id=new_id(), state="receiving") for number in range(MOST_OF_KEY)]
    while office.work():
        pass
    with office.house.database.begin() as stores:
        for each in left:
            stores.uploads.add_upload(each)
    with pytest.raises(TooManyUploads):
        office.send(other(99))
    office.house.clock.advance(COMES_IN_WITHIN)
    office.send(other(99))


def test_uploads_that_begin_at_once_are_counted_one_by_one(office: Office) -> None:
    """Each has passed the first look before any of them is entered."""
    start = threading.Barrier(MOST_OF_KEY + 3)

    def send(number: int) -> str:
        held = office.keys["one"]
        biller = office.house.biller(WATER)
        try:
            office.files.receive(Partner(held.id, held.partner.id), "r", biller, held, _Waiting(start, other(number)), "x.bif")
        except TooManyUploads:
            return "refused"
        return "taken"

    with ThreadPoolExecutor(MOST_OF_KEY + 3) as threads:
        answers = sorted(threads.map(send, range(MOST_OF_KEY + 3)))
    assert answers == ["refused"] * 3 + ["taken"] * MOST_OF_KEY
    assert office.rows("uploads") == MOST_OF_KEY


def test_a_biller_has_twenty_files_waiting_at_most_whatever_keys_there_are(office: Office) -> None:
    two = office.keys["two"]
    keys = {f"key {number}": sample_key(WATER, two.partner, policies=two.policies) for number in range(5)}
    with office.house.database.begin() as stores:
        for key in keys.values():
            stores.api_keys.put_key(key)
    office.keys.update(keys)
    sent = 0
    for name in keys:
        for _ in range(MOST_OF_KEY):
            if sent < MOST_OF_BILLER:
                office.send(other(sent), key=name)
                sent += 1
    with pytest.raises(TooManyUploads):
        office.send(other(99), key="one")
    office.send(other(99), bid=POWER)


class _Waiting:
    """A body whose first byte comes when everybody is there."""

    def __init__(self, start: threading.Barrier, content: bytes) -> None:
        self._start = start
        self._content = io.BytesIO(content)
        self._begun = False

    def read(self, size: int, /) -> bytes:
        if not self._begun:
            self._begun = True
            self._start.wait(30)
        return self._content.read(size)
