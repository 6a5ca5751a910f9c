"""Logging in and out of the operator's page."""

from support.page.stand_in_api import TOKEN

GONE = "Failed to load resource: the server responded with a status of 404 (Not Found)"


def test_before_log_in_the_page_asks_for_nothing_but_its_files(tab, api):
    tab.open()
    assert tab.page.is_visible("#login")
    assert tab.page.is_hidden("#app")
    assert [path for _, path in api.requests if path.startswith("/api/")] == []


def test_a_wrong_token_is_refused_and_named(tab):
    tab.open()
    tab.page.fill("#token", "no token")
    tab.page.press("#token", "Enter")
    tab.shown("This is not the operator's token.")
    assert tab.page.is_hidden("#app")
    (error,) = tab.errors
    assert "403" in error
    tab.errors.clear()


def test_the_token_leads_to_the_overview_and_is_kept_nowhere(tab):
    tab.log_in(view="")
    tab.shown("Refusals by reason")
    kept = tab.page.evaluate("() => JSON.stringify({...localStorage, ...sessionStorage})")
    assert TOKEN not in kept + tab.page.content()
    (cookie,) = tab.page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"


def test_a_session_outlives_a_reload(tab):
    tab.log_in()
    tab.page.reload()
    tab.page.wait_for_selector("#connection[data-state=live]")


def test_logging_out_ends_the_session_at_the_proxy(tab, api):
    tab.log_in()
    tab.page.click("#log-out")
    tab.page.wait_for_selector("#login:not([hidden])")
    assert api.sessions == {}
    assert "device" not in tab.page.inner_text("body")


def test_a_session_that_ends_leads_to_the_log_in_form(tab, api):
    tab.log_in()
    api.sessions.clear()
    api.drop_streams()
    tab.shown("Your session has ended. Log in again.")
    assert tab.page.is_hidden("#app")
    assert set(tab.errors) == {GONE}
    tab.errors.clear()


def test_a_command_after_the_sessions_end_leads_to_the_log_in_form(tab, api):
    api.refused = [
        {
            "id": "r1",
            "account": "anna",
            "device": None,
            "address": None,
            "until_at": None,
            "reason": "rent",
            "by": "session",
            "since_at": 0,
        }
    ]
    tab.log_in("refused")
    tab.row("anna").click()
    api.sessions.clear()
    tab.page.click("dialog button.danger")
    tab.shown("Your session has ended. Log in again.")
    tab.page.locator("dialog").wait_for(state="detached")
    tab.errors.clear()
