"""The stream of events is lost, is silent, or returns."""

import re

from lab.waiting import eventually
from support.page.stand_in_api import tunnel

LOST = re.compile(r"^(Connection lost \d+ s ago|Not connected)")


def test_a_lost_stream_returns_by_itself_with_what_changed_meanwhile(tab, api):
    api.have(tunnel(1, device="kitchen"))
    tab.log_in()
    tab.shown("kitchen")
    api.have(tunnel(2, device="roof"))
    api.drop_streams()
    tab.shown("roof")
    tab.row("kitchen").wait_for(state="hidden")
    tab.page.wait_for_selector("#connection[data-state=live]")


def test_the_page_says_for_how_long_the_data_is_old_and_when_it_tries_again(tab, api):
    tab.log_in()
    api.close()
    tab.page.locator("#connection-text", has_text=LOST).wait_for()
    tab.page.locator("#connection-text", has_text=re.compile(r"next try in \d+ s")).wait_for()
    assert tab.page.evaluate("() => document.getElementById('app').classList.contains('stale')")
    assert tab.page.is_visible("#try-now")
    tab.page.locator("#live", has_text="is lost").wait_for(state="attached")
    tab.errors.clear()  # "connection refused"


def test_silence_is_noticed_although_the_connection_stands(tab, api):
    tab.log_in()
    api.silent = True
    tab.page.locator("#connection-text", has_text=LOST).wait_for()
    assert tab.page.get_attribute("#connection", "title") == "Nothing came for 6 s."
    api.silent = False
    tab.page.wait_for_selector("#connection[data-state=live]")


def test_a_proxy_that_returns_after_minutes_is_tried_at_once_on_request(tab, api):
    tab.log_in()
    tab.page.route("**/api/v1/events*", lambda route: route.abort())
    api.drop_streams()
    tab.page.locator("#connection-text", has_text=re.compile("next try in [4-9] s")).wait_for()
    tab.page.unroute("**/api/v1/events*")
    tab.page.click("#try-now")
    tab.page.wait_for_selector("#connection[data-state=live]")
    tab.errors.clear()


def test_what_is_open_is_shown_before_the_first_totals_come(tab, api):
    api.silent = True
    api.proxies[0] |= {"tunnels": 1234, "substreams": 77}
    tab.log_in()
    tab.page.locator("#totals", has_text="1,234").wait_for()
    assert "77" in tab.page.inner_text("#totals")


def test_too_many_watchers_are_reported_and_wait_as_long_as_asked(tab, api):
    body = '{"error":{"code":"busy","message":"32 watch already; try again later"}}'
    answer = {"status": 503, "headers": {"Retry-After": "20"}, "body": body}
    tab.page.route("**/api/v1/events*", lambda route: route.fulfill(**answer))
    tab.open()
    tab.page.fill("#token", "an operator's token")
    tab.page.press("#token", "Enter")
    tab.page.locator(
        "#connection-text", has_text=re.compile("next try in (1[5-9]|20) s")
    ).wait_for()
    assert "32 watch already" in tab.page.get_attribute("#connection", "title")
    assert len(tab.errors) == 1
    tab.errors.clear()


def test_opening_details_keeps_the_stream_until_the_next_one_is_open(tab, api):
    api.have(tunnel(1, device="kitchen"))
    tab.log_in()
    tab.shown("kitchen")
    asked = sum(path.startswith("/api/v1/tunnels?") for _, path in api.requests)
    tab.row("kitchen").click()
    tab.shown("No substream is open.")
    (topics,) = eventually(lambda: len(api.watched) == 1 and api.watched, 10, lambda: api.watched)
    assert "substreams:3fa95c1e-1" in topics
    assert sum(path.startswith("/api/v1/tunnels?") for _, path in api.requests) == asked
    assert tab.page.get_attribute("#connection", "data-state") == "live"


def test_announcements_are_not_more_than_one_in_three_seconds(tab):
    tab.log_in()
    changes = tab.page.evaluate(
        """() => new Promise((done) => {
            let changes = 0;
            const live = document.getElementById("live");
            new MutationObserver(() => (changes += 1)).observe(live, { childList: true });
            const filter = document.querySelector("input[type=search]");
            const timer = setInterval(() => {
                filter.value += "x";
                filter.dispatchEvent(new Event("input"));
            }, 50);
            setTimeout(() => { clearInterval(timer); done(changes); }, 4000);
        })"""
    )
    assert 1 <= changes <= 2


def test_a_hidden_tab_gives_its_stream_up_and_connects_again_when_it_is_shown(tab, api):
    tab.page.clock.install()
    tab.log_in()
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    tab.page.evaluate(hide, True)
    tab.page.clock.run_for(31_000)
    tab.shown("Paused")
    eventually(lambda: api.watched == [], 10, lambda: api.watched)
    tab.page.evaluate(hide, False)
    tab.page.wait_for_selector("#connection[data-state=live]")
