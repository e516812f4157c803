"""When a store is gone: a plain 503 that says to try again, nothing half done, and back to work as soon as the store is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hub.wiring import Hub, wire
from hub.wsgi import application
from idp.errors import StoreUnavailable
from idp.kv import KeyValue, Outcome, Step
from tests.flows.world import AMOUNTS, FRAME, RIVERBEND, Prepared, Visitor, World
