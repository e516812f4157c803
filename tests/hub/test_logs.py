"""Logs: on standard error, one line per event, in the format and from the level that the settings say."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from hub.logs import configure
from idp.settings import load

LOG = logging.getLogger("hub.test_logs")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def test_an_event_is_one_line_of_json_on_standard_error_with_what_was_said_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure(load({"IDHUB_LOG_FORMAT": "json"}))
    LOG.warning("two\nlines", extra={"request_id": "r-1"})
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["request_id"]) == ("two\nlines", "warning", "r-1")
    assert event["timestamp"].endswith("Z")


def test_a_fault_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure(load({"IDHUB_LOG_FORMAT": "json"}))
    try:
        raise ValueError("odd")
    except ValueError:
        LOG.exception("it failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: odd" in json.loads(line)["exception"]


def test_the_level_holds_and_what_may_print_tokens_is_held_at_warning(capsys: pytest.CaptureFixture[str]) -> None:
    configure(load({"IDHUB_LOG_LEVEL": "warning"}))
    LOG.info("too low")
    configure(load({"IDHUB_LOG_LEVEL": "debug"}))
    LOG.debug("low enough")
    logging.getLogger("authlib.oauth2").debug("a token")
    printed = capsys.readouterr().err
    assert "too low" not in printed
    assert "low enough" in printed
    assert "a token" not in printed
