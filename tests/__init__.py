"""Tests mirror the source; beside them flows (HTTP), browser (Chromium), contracts (stores), architecture, fuzz (parsers).

Fixtures and the rules of a run: tests/conftest.py.
"""
