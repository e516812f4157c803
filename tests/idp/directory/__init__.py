"""Tests of idp.directory."""
