"""What a call does, written down: statements, commits, key-value steps, hashes. Calls that must look alike do the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from idp.kv import KeyValue, Outcome, Step
from tests.sso_connect.api.people import watched
from tests.sso_connect.api.world import World


@contextmanager
def written_down(world: World) -> Iterator[list[str]]:
    """Everything that is done meanwhile, in order, without the values."""
    done: list[str] = []
    kind: type[KeyValue] = type(world.hub.kv)
    inner = kind.transact

    def transact(self: KeyValue, *steps: Step) -> Outcome:
        done.append("kv " + " ".join(type(step).__name__ for step in steps))
        return inner(self, *steps)

    def executed(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        done.append(" ".join(statement.split()))

    def committed(_connection: Any) -> None:
        done.append("commit")

    with pytest.MonkeyPatch.context() as patch, watched() as hashes:
        patch.setattr(kind, "transact", transact)
        event.listen(Engine, "before_cursor_execute", executed)
        event.listen(Engine, "commit", committed)
        try:
            yield done
        finally:
            event.remove(Engine, "before_cursor_execute", executed)
            event.remove(Engine, "commit", committed)
    done += [f"hash {word}" for word in hashes.done]
