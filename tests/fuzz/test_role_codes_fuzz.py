"""Role codes, typed by anybody: reading one never fails, never shows it, and a spelling that means the same is the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from idp.directory.billers import Policies
from idp.directory.role_codes import judge, parse_code, parse_codes, stored_code
from idp.opaque import new_id
from idp.secrets import Secrets
from tests.idp.test_secrets import DataKeys

POLICIES = Policies()
SECRETS = Secrets((b"1" * 32,), DataKeys())
CUSTOMER = new_id()
PREFIXES = (POLICIES.owner_prefix, POLICIES.co_owner_prefix, POLICIES.oversight_prefix, POLICIES.guest_prefix)
secrets = st.text(alphabet="0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=6, max_size=20)
noise = st.text(alphabet=" -\u2010\u2013\u00a0\t", max_size=3)


@given(st.text(max_size=100))
def test_whatever_is_typed_is_a_code_or_none_and_is_not_shown(text: str) -> None:
    code = parse_code(POLICIES, text)
    if code is not None:
        assert len(text) <= 64
        assert len(code.secret) < 4 or code.secret not in repr(code)
    assert judge(POLICIES, SECRETS, 101, CUSTOMER, [], text) is None or (code is not None and not code.secret)


@given(st.sampled_from(PREFIXES), secrets, st.lists(noise, min_size=4, max_size=4), st.booleans())
def test_a_code_fits_in_every_spelling_and_only_at_its_customer(prefix: str, secret: str, gaps: list[str], lower: bool) -> None:
    printed = f"{prefix}-{secret}"
    stored = [stored_code(SECRETS, 101, CUSTOMER, code) for code in parse_codes(POLICIES, printed)]
    half = len(secret) // 2
    typed = f"{gaps[0]}{prefix[:1]}{gaps[1]}{prefix[1:]}{gaps[2]}{secret[:half]}{gaps[3]}{secret[half:]}"
    typed = (typed.lower() if lower else typed)[:64]
    found = judge(POLICIES, SECRETS, 101, CUSTOMER, stored, typed)
    assert found is not None
    assert (found.login_type, found.bare) == (stored[0].login_type, False)
    assert judge(POLICIES, SECRETS, 101, new_id(), stored, typed) is None
    assert judge(POLICIES, SECRETS, 202, CUSTOMER, stored, typed) is None
    assert judge(POLICIES, SECRETS, 101, CUSTOMER, stored, f"{printed}7") is None
