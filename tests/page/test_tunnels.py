"""The list of tunnels, and one tunnel with its substreams."""

import re

import pytest

from lab.waiting import eventually
from support.page.stand_in_api import substream, tunnel


@pytest.fixture
def three(api):
    api.have(
        tunnel(1, device="kitchen", account="anna", address="192.0.2.1"),
        tunnel(2, device="roof", account="bert", address="192.0.2.2", bytes_from_target_per_s=5e6),
        tunnel(3, device=None, account="bert", address="2001:db8::7"),
    )


@pytest.mark.usefixtures("three")
class TestList:
    def test_tunnels_come_and_go_while_it_is_open(self, tab, api):
        tab.log_in()
        tab.shown("kitchen")
        api.push("tunnels", {"opened": [tunnel(4, device="pump")], "changed": [], "closed": []})
        tab.shown("pump")
        end = {"id": tunnel(1)["id"], "outcome": "ended", "error": None, "why": None}
        api.push("tunnels", {"opened": [], "changed": [], "closed": [end]})
        tab.row("kitchen").wait_for(state="hidden")

    def test_rates_change_while_it_is_open(self, tab, api):
        tab.log_in()
        tab.shown("kitchen")
        changed = [tunnel(1)["id"], 10, 20, 2048.0, 0.0, 17]
        api.push("tunnels", {"opened": [], "changed": [changed], "closed": []})
        tab.shown("2.00 KiB/s")
        assert "17" in tab.row("kitchen").inner_text()

    @pytest.mark.parametrize(
        ("text", "shown"),
        [("ROO", ["roof"]), ("bert", ["no name", "roof"]), ("192.0.2.1", ["kitchen"])],
    )
    def test_a_filter_looks_through_device_account_and_address(self, tab, text, shown):
        tab.log_in()
        tab.shown("kitchen")
        tab.page.fill("input[type=search]", text)
        tab.has_rows(len(shown))
        assert sorted(tab.devices) == shown

    def test_a_filter_that_matches_nothing_offers_to_clear_it(self, tab):
        tab.log_in()
        tab.page.fill("input[type=search]", "nobody")
        tab.page.get_by_role("button", name="Clear the filter").click()
        tab.shown("kitchen")

    def test_a_heading_sorts_by_its_column(self, tab):
        tab.log_in()
        tab.shown("kitchen")
        tab.page.get_by_role("button", name="From targets").click()
        tab.until("() => document.querySelector('[data-index=\"0\"] .name').textContent === 'roof'")
        heading = tab.page.get_by_role("columnheader", name="From targets")
        assert heading.get_attribute("aria-sort") == "descending"


def test_an_empty_list_says_how_to_connect_a_device(tab):
    tab.log_in()
    tab.shown("No device is connected.")
    assert "PROXY_HOST" in tab.page.inner_text(".grid-empty")


def test_beyond_ten_thousand_a_filter_asks_the_proxy(tab, api):
    last = tunnel(9_999_999, device="the last", account="zoe")
    api.have(*(tunnel(number) for number in range(1_000_000, 1_010_000)), last)
    tab.log_in()
    tab.shown("Only 10,000 of 10,001 tunnels are listed.")
    tab.page.fill("input[type=search]", "zoe")
    tab.row("the last").wait_for()


@pytest.mark.usefixtures("three")
class TestOne:
    def test_substreams_come_and_go_while_it_is_open(self, tab, api):
        name = tunnel(1)["id"]
        tab.log_in()
        tab.row("kitchen").click()
        tab.shown("No substream is open.")
        topic = f"substreams:{name}"
        eventually(lambda: any(topic in topics for topics in api.watched), 10, lambda: api.watched)
        opened = {
            "tunnel": name,
            "opened": [substream(1, "api.example:443")],
            "changed": [],
            "closed": [],
        }
        api.push("substreams", opened, topic=topic)
        tab.shown("Substreams (1 open)")
        assert "api.example:443" in tab.page.inner_text(".substreams tbody")
        end = {"number": 1, "outcome": "connecting failed", "error": "TP1006", "why": None}
        closed = {"tunnel": name, "opened": [], "changed": [], "closed": [end]}
        api.push("substreams", closed, topic=topic)
        tab.shown("Substreams (0 open)")
        link = tab.page.locator(".substreams a")
        assert link.get_attribute("href") == "/errors/TP1006"

    def test_a_substream_that_came_and_went_within_a_second_is_shown(self, tab, api):
        name = tunnel(1)["id"]
        tab.log_in()
        tab.row("kitchen").click()
        topic = f"substreams:{name}"
        eventually(lambda: any(topic in topics for topics in api.watched), 10, lambda: api.watched)
        end = {"outcome": "refused by policy", "error": "TP1005", "why": ""}
        closed = [{**substream(7, "10.0.0.1:22"), **end}]
        event = {"tunnel": name, "opened": [], "changed": [], "closed": closed}
        api.push("substreams", event, topic=topic)
        row = tab.page.locator(".substreams tr", has_text="10.0.0.1:22")
        row.get_by_text("TP1005").wait_for()

    def test_ending_asks_for_a_reason_and_notifies_the_proxy(self, tab, api):
        tab.log_in()
        tab.row("kitchen").click()
        tab.page.get_by_role("button", name="End…").click()
        tab.page.click("dialog button.danger")
        assert tab.page.is_visible("dialog")  # the reason is missing
        tab.page.fill("dialog input[name=reason]", "new firmware & more")
        tab.page.click("dialog button.danger")
        tab.shown("This tunnel has ended")
        tab.row("kitchen").wait_for(state="hidden")
        ((method, path, _),) = api.commands
        assert (method, path) == (
            "DELETE",
            "/api/v1/tunnels/3fa95c1e-1?reason=new%20firmware%20%26%20more",
        )

    def test_refusing_offers_the_device_its_account_and_its_address(self, tab, api):
        tab.log_in()
        tab.row("roof").click()
        tab.page.get_by_role("button", name="Refuse…").click()
        choices = tab.page.locator("dialog .choice").all_inner_texts()
        assert choices == ["the device roof of bert", "the account bert", "the address 192.0.2.2"]
        tab.page.fill("dialog input[name=reason]", "stolen")
        tab.page.select_option("dialog select", label="1 day")
        tab.page.click("dialog button.danger")
        tab.shown(re.compile("^Refused. 1 tunnel ended."))
        ((_, _, body),) = api.commands
        assert body == {"account": "bert", "device": "roof", "for_s": 86_400, "reason": "stolen"}

    def test_one_whose_device_has_not_closed_its_end_is_shown_as_closing(self, tab, api):
        tab.log_in()
        tab.row("kitchen").click()
        tab.page.get_by_role("button", name="End…").wait_for()
        closing = tunnel(1, device="kitchen", account="anna", state="closing")
        api.push("tunnels", {"opened": [closing], "changed": [], "closed": []})
        tab.shown("kitchen · closing")
        tab.shown("This tunnel is closing.")
        assert tab.page.get_by_role("button", name="End…").is_disabled()

    def test_an_unnamed_device_is_not_offered(self, tab):
        tab.log_in()
        tab.row("no name").click()
        tab.page.get_by_role("button", name="Refuse…").click()
        assert tab.page.locator("dialog .choice").count() == 2
        tab.shown("This device sent no name")

    def test_a_problem_of_a_command_is_shown_in_its_dialog(self, tab, api):
        tab.log_in()
        tab.row("kitchen").click()
        tab.page.get_by_role("button", name="End…").click()
        tab.page.fill("dialog input[name=reason]", "too late")
        api.have()
        tab.page.click("dialog button.danger")
        tab.page.locator("dialog .error", has_text="not found").wait_for()
        tab.errors.clear()  # the 404

    def test_its_address_can_be_opened_again(self, tab):
        tab.log_in()
        tab.row("kitchen").click()
        tab.page.wait_for_url("**/#/tunnels/3fa95c1e-1")
        tab.page.reload()
        tab.page.get_by_role("heading", name="kitchen").wait_for()

    def test_one_that_is_no_longer_there_is_said_to_have_ended(self, tab):
        tab.log_in("tunnels/3fa95c1e-99")
        tab.shown("This tunnel has ended")
        tab.errors.clear()  # the 404
