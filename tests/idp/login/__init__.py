"""Tests of idp.login."""
