"""Tests of the server, most of them by the real one."""
