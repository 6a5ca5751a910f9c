"""Each view at both widths and in both colour schemes."""

import itertools

import pytest

from support.page.browser import DESKTOP, PHONE
from support.page.stand_in_api import account, proxy, substream, tunnel

VIEWS = {
    "": "#login h1",
    "overview": ".latest",
    "tunnels": ".grid-space .name",
    "tunnels/3fa95c1e-1": ".substreams tbody tr",
    "accounts": ".grid-space .name",
    "accounts/anna": ".panel .counts",
    "refused": ".grid-space .name",
    "proxies": ".card",
}

WIDER = """() => [...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.right > innerWidth + 1
        && !element.closest(".unseen, .scroll-x, .grid-cell, td, .chart");
}).map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture
def filled(api):
    api.have(
        *(tunnel(number) for number in range(60)), tunnel(99, device="n" * 64, account="a" * 64)
    )
    api.substreams["3fa95c1e-1"] = [substream(1), substream(2, target="t" * 200)]
    api.accounts = [account("anna"), account("a" * 64, refused={}, last_refusal=None)]
    api.proxies = [
        proxy("edge-1/3fa95c1e"),
        proxy("edge-2/71", ready=False, obstacles=["no engine"]),
        proxy("e/2", draining=True),
    ]
    rule = {
        "account": "anna",
        "device": "d" * 64,
        "address": None,
        "reason": "r" * 200,
        "by": "session",
    }
    api.refused = [{**rule, "id": "r1", "until_at": None, "since_at": 1.7e9}]
    return api


def shown(open_tab, api, view, **options):
    """Return a tab in which this view is complete."""
    tab = open_tab(api.url, **options)
    if view == "":
        tab.open()
    else:
        tab.log_in(view)
        refusal = {
            "at": 1.7e9,
            "error": "TP2005",
            "code": "EAUTH",
            "account": "anna",
            "device": "d" * 64,
        }
        api.push("refusals", {**refusal, "address": "2001:db8::1", "count": 2, "text": "w" * 300})
    tab.page.locator(VIEWS[view]).first.wait_for()
    return tab


SIZED = "(width) => innerWidth === width && document.getAnimations().length === 0"


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_fits_and_passes_the_rules_of_accessibility(open_tab, filled, view):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="make page-test installs it"
    )
    # axe puts its own elements on the page, which the page's policy forbids
    tab = shown(open_tab, filled, view, bypass_csp=True, reduced_motion="reduce")
    for viewport, scheme in itertools.product((DESKTOP, PHONE), ("light", "dark")):
        tab.page.set_viewport_size(viewport)
        tab.page.emulate_media(color_scheme=scheme)
        tab.until(SIZED, viewport["width"])
        tab.page.locator(VIEWS[view]).first.wait_for()
        assert tab.page.evaluate(WIDER) == [], (viewport, scheme)
        found = axe.Axe().run(tab.page, options={"resultTypes": ["violations"]})
        violations = [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in found.response["violations"]
        ]
        assert violations == [], (viewport, scheme)


def test_the_colour_scheme_is_the_readers(open_tab, api):
    grounds = {scheme: open_tab(api.url, color_scheme=scheme).page for scheme in ("light", "dark")}
    for page in grounds.values():
        page.goto(api.url)
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    assert grounds["light"].evaluate(ground) == "rgb(244, 246, 247)"
    assert grounds["dark"].evaluate(ground) == "rgb(16, 20, 23)"


def test_nothing_moves_for_readers_who_want_no_motion(open_tab, filled):
    tab = shown(open_tab, filled, "tunnels", reduced_motion="reduce")
    moving = "() => document.getAnimations().length"
    tab.page.evaluate(
        """() => { const toast = document.createElement("div");
            toast.className = "toast";
            document.getElementById("toasts").append(toast); }"""
    )
    assert tab.page.evaluate(moving) == 0


def test_landmarks_and_headings_say_where_one_is(open_tab, filled):
    tab = shown(open_tab, filled, "tunnels/3fa95c1e-1")
    roles = ("banner", "navigation", "main")
    assert [tab.page.get_by_role(role).count() for role in roles] == [1, 1, 1]
    assert tab.page.get_by_role("heading", level=1).inner_text() == "Tunnels"
    assert tab.page.locator("nav [aria-current=page]").inner_text() == "Tunnels"
    assert tab.page.title() == "Tunnels · Tessel proxy"
