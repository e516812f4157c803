"""Tests of sso_connect.portal."""
