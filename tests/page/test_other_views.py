"""Overview, accounts, refusals and proxies."""

import re
import time

from support.page.stand_in_api import account, flat_history, proxy


def test_the_charts_show_the_last_hour_in_all_and_by_account(tab, api):
    api.history["accounts"] = {"anna": flat_history(opens=40)["all"]}
    tab.log_in("overview")
    throughput, opens = tab.page.locator(".chart").all()
    throughput.locator("canvas").wait_for()
    assert "From devices: now 9.77 KiB/s" in throughput.get_attribute("aria-label")
    assert "Opens: now 0.8/s" in opens.get_attribute("aria-label")
    tab.page.select_option("#chart-account", label="anna")
    assert "Opens: now 4/s" in opens.get_attribute("aria-label")


def test_a_chart_can_be_read_as_a_table(tab):
    tab.log_in("overview")
    tab.page.get_by_text("Show as a table").first.click()
    rows = tab.page.locator("figure").first.locator("tbody tr")
    rows.first.wait_for()
    assert rows.first.locator("td").all_inner_texts() == ["9.77 KiB/s", "391 KiB/s"]
    assert rows.count() in (12, 13)


def test_refusals_by_reason_lead_to_their_paragraph(tab):
    tab.log_in("overview")
    reason = tab.page.locator(".counts li", has_text="TP1005")
    tab.shown("Refused by policy")
    assert "360" in reason.inner_text()
    with tab.page.context.expect_page() as opened:
        reason.get_by_role("link").click()
    assert opened.value.url == f"{tab.url}errors/TP1005"
    assert "An egress rule forbids the target." in opened.value.inner_text("main")


def test_refusals_appear_as_they_happen_and_can_be_acted_upon(tab, api):
    tab.log_in("overview")
    tab.shown("Nothing was refused since this page was opened.")
    refusal = {"at": time.time(), "error": "TP2005", "code": "", "account": None, "device": None}
    api.push("refusals", {**refusal, "address": "192.0.2.9", "count": 4, "text": "wrong token"})
    tab.shown("wrong token (4 times)")
    tab.page.locator(".latest").get_by_role("button", name="Refuse…").click()
    assert tab.page.locator("dialog .choice").all_inner_texts() == ["the address 192.0.2.9"]


def test_an_account_shows_its_usage_limits_and_refusals(tab, api):
    api.accounts = [account("anna"), account("bert")]
    tab.log_in("accounts")
    tab.row("anna").click()
    panel = tab.page.locator(".panel")
    panel.get_by_text("700 MiB of 1.00 GiB").wait_for()
    assert "12 of 500" in panel.inner_text()
    panel.locator(".counts li", has_text="TP1005 Refused by policy12").wait_for()
    assert "no limit" not in panel.inner_text()


def test_all_tunnels_of_an_account_can_be_ended(tab, api):
    api.accounts = [account("anna")]
    tab.log_in("accounts/anna")
    tab.page.get_by_role("button", name="End all…").click()
    tab.page.fill("dialog input[name=reason]", "moving")
    tab.page.click("dialog button.danger")
    tab.shown(re.compile("^3 tunnels ended"))
    ((_, path, body),) = api.commands
    assert (path, body) == ("/api/v1/end", {"account": "anna", "device": None, "reason": "moving"})


def test_refusals_are_added_listed_and_removed(tab, api):
    tab.log_in("refused")
    tab.shown("Nobody is refused.")
    tab.page.get_by_role("button", name="Refuse…").click()
    tab.page.select_option("dialog select >> nth=0", label="an address or network")
    tab.page.get_by_label("Address or network").fill(" 203.0.113.0/24 ")
    tab.page.fill("dialog input[name=reason]", "guesses tokens")
    tab.page.select_option("dialog select[name=for_s]", label="until I remove it")
    tab.page.click("dialog button.danger")
    tab.row("address 203.0.113.0/24").click()
    tab.page.get_by_role("button", name="Remove the refusal").click()
    tab.shown("Nobody is refused.")
    (_, _, added), (method, path, _) = api.commands
    assert added == {"address": "203.0.113.0/24", "reason": "guesses tokens"}
    assert (method, path) == ("DELETE", "/api/v1/refused/r0")


def test_the_fleet_shows_who_is_ready_and_what_keeps_the_others(tab, api):
    obstacle = "the token service does not answer"
    api.proxies = [
        proxy("edge-1/aa"),
        proxy("edge-2/bb", ready=False, obstacles=[obstacle]),
        proxy("edge-3/cc", draining=True),
        proxy("edge-1/supervisor", role="supervisor", tunnels=0),
    ]
    tab.log_in("proxies")
    tab.shown(obstacle)
    badges = tab.page.locator(".card").evaluate_all(
        "(cards) => cards.map((card) => card.querySelector('.badge').textContent)"
    )
    assert sorted(badges) == ["draining", "not ready", "ready", "ready"]
    assert "2 of 3" in tab.page.inner_text("#totals")


def test_a_proxy_can_be_drained_and_its_devices_moved(tab, api):
    tab.log_in("proxies")
    tab.page.get_by_role("button", name="Move devices…").click()
    tab.page.fill("dialog input[name=share]", "25")
    tab.page.click("dialog button.danger")
    tab.shown(re.compile("^3 devices asked to reconnect"))
    tab.page.get_by_role("button", name="Drain…").click()
    tab.page.click("dialog button.danger")
    tab.shown("edge-1/3fa95c1e is draining.")
    assert [body for _, _, body in api.commands] == [
        {"share": 0.25, "member": "edge-1/3fa95c1e"},
        {"member": "edge-1/3fa95c1e"},
    ]


def test_an_engine_that_is_away_and_members_without_an_answer_are_named(tab, api):
    tab.log_in("tunnels")
    fleet = {
        "proxies": api.proxies,
        "engine": {"url": "valkey://e", "away": True},
        "missing": ["edge-9/xx"],
    }
    api.push("proxies", fleet)
    tab.shown("The engine is away")
    tab.shown("1 proxy did not answer: edge-9/xx.")
