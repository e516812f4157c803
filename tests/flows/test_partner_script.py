"""The script for partners' pages: a stable public address on each biller's host, for pages of other sites, without any secret."""

from __future__ import annotations

from tests.flows.world import PRAIRIE, World


def test_anybody_may_load_the_script_from_each_billers_host_and_keep_it_for_a_day(world: World) -> None:
    answers = [world.visitor("script").get(world.url(f"/b/{slug}/sso/partner.js", bid)) for slug, bid in _BILLERS]
    for answer in answers:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert answer.headers["Cache-Control"] == "public, max-age=86400"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not answer.cookies
    assert answers[0].text == answers[1].text


def test_a_copy_that_is_still_good_is_not_sent_again(world: World) -> None:
    url = world.url("/b/riverbend/sso/partner.js")
    tag = world.visitor().get(url).headers["ETag"]
    again = world.visitor().get(url, headers={"If-None-Match": tag})
    assert (again.status, again.text) == (304, "")


def test_where_host_and_path_name_no_biller_or_two_there_is_no_script(world: World) -> None:
    for url in (world.url("/b/riverbend/sso/partner.js", PRAIRIE), world.url("/b/nobody/sso/partner.js")):
        assert world.visitor().get(url).status == 404


_BILLERS = (("riverbend", 9001), ("prairie", PRAIRIE))
