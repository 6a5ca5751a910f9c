"""The page by keyboard alone, as somebody without a mouse uses it."""

import pytest

from support.page.browser import DESKTOP, PHONE
from support.page.stand_in_api import tunnel

IS_MARKED = """() => { const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2; }"""


@pytest.fixture
def many(api):
    api.have(*(tunnel(number) for number in range(300)))


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_operator_logs_in_finds_a_device_and_ends_it(open_tab, api, viewport):
    tab = open_tab(api.url, viewport=viewport)
    tab.open()
    assert tab.focused == "Operator's token"
    tab.page.keyboard.type("an operator's token")
    tab.press("Enter")
    tab.page.wait_for_selector("#connection[data-state=live]")
    tab.tab_to("Tunnels")
    tab.press("Enter")
    tab.tab_to("Filter by account, device or address")
    tab.page.keyboard.type("device-77")
    tab.shown("1 of 300")
    tab.page.locator(".grid").evaluate("(grid) => grid.getAttribute('role')")
    for _ in range(12):
        tab.press("Tab")
        if tab.page.evaluate("() => document.activeElement.getAttribute('role')") == "grid":
            break
    tab.press("ArrowDown", "Enter")
    tab.page.get_by_role("heading", name="device-77").wait_for()
    tab.tab_to("End…")
    tab.press("Enter")
    assert tab.focused == "Reason"
    tab.page.keyboard.type("try")
    tab.press("Enter")
    tab.shown("This tunnel has ended")
    assert [method for method, _, _ in api.commands] == ["DELETE"]


@pytest.mark.usefixtures("many")
def test_arrows_pages_home_and_end_move_through_the_rows(tab):
    tab.log_in()
    tab.shown("300 tunnels")
    active = """() => { const grid = document.querySelector(".grid");
        const row = document.getElementById(grid.getAttribute("aria-activedescendant"));
        return row?.getAttribute("aria-rowindex"); }"""
    tab.page.focus(".grid")
    for key, row in [
        ("ArrowDown", "2"),
        ("ArrowDown", "3"),
        ("ArrowUp", "2"),
        ("End", "301"),
        ("Home", "2"),
    ]:
        tab.press(key)
        tab.page.wait_for_function(f"(row) => ({active})() === row", arg=row)
    tab.press("PageDown")
    tab.page.wait_for_function(f"() => Number(({active})()) > 10")
    assert tab.page.get_attribute(".grid", "aria-rowcount") == "301"


@pytest.mark.usefixtures("many")
def test_escape_closes_the_dialog_then_the_details_and_returns_the_focus(tab):
    tab.log_in()
    tab.row("device-0").click()
    tab.tab_to("End…")
    tab.press("Enter")
    tab.page.wait_for_selector("dialog[open]")
    tab.press("Escape")
    tab.page.locator("dialog").wait_for(state="detached")
    assert tab.focused == "End…"
    assert tab.page.is_visible(".panel")
    tab.press("Escape")
    tab.page.locator(".panel").wait_for(state="hidden")
    assert tab.focused == "Tunnels"


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("view", "complete"),
    [
        ("overview", "canvas"),
        ("tunnels/3fa95c1e-1", ".panel h2"),
        ("accounts", ".grid-empty"),
        ("refused", ".grid-empty"),
        ("proxies", ".card"),
    ],
)
def test_whatever_has_the_focus_shows_it(tab, view, complete):
    tab.log_in(view)
    tab.page.locator(complete).first.wait_for()
    tab.page.focus(".skip")
    reached = {tab.focused}
    for _ in range(40):
        tab.press("Tab")
        if tab.focused in reached or tab.page.evaluate(
            "() => document.activeElement === document.body"
        ):
            break
        assert tab.page.evaluate(IS_MARKED), tab.focused
        reached.add(tab.focused)
    assert {"Skip to the content", "Overview", "Log out"} <= reached


def test_a_slash_leads_to_the_filter(tab):
    tab.log_in()
    tab.page.focus("#log-out")
    tab.press("/")
    assert tab.focused == "Filter by account, device or address"
    assert tab.page.input_value("input[type=search]") == ""


def test_the_skip_link_leads_past_the_navigation(tab):
    tab.log_in()
    tab.page.focus(".skip")
    tab.press("Enter")
    assert tab.page.evaluate("() => document.activeElement.id") == "content"
    assert tab.page.url.endswith("#/tunnels")
