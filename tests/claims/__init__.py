"""Tests of claims: facts in, claims out."""
