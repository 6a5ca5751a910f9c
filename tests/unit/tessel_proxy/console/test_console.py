"""The operator's commands, against an API that answers what its contract says."""

import gzip
import io
import json
import re

import pytest

from support.console.api import LocalApi, UrlApi
from support.page.stand_in_api import account, proxy, tunnel
from tessel_proxy.console import ConsoleError, Screen, WrongPlaceError, add_commands, run
from tessel_proxy.console.log_usage import summed
from tessel_proxy.console.tables import field, table
from tessel_proxy.console.units import cut, lasted, size, width
from tessel_service_kit.command_line import CommandParser

SPREAD = {"confirmed": ["edge-1/a"], "missing": []}


@pytest.fixture
def command(tmp_path):
    """Run a command against these answers; return exit code, output and errors."""

    def ran(answers, *words, columns=80, ask=None):
        parser = CommandParser()
        add_commands(parser.add_subparsers(dest="command"))
        out, errors = io.StringIO(), io.StringIO()
        path = tmp_path / "control"
        with LocalApi(path, answers) as api:
            ran.asked = api.asked
            screen = Screen(out, errors, columns, ask)
            code = run(parser.parse_args(words), {"CONTROL_SOCKET": str(path)}, screen)
        return code, out.getvalue(), errors.getvalue()

    return ran


def fleet(*proxies):
    return {"proxies": proxies, "engine": {"url": None, "away": False}, "missing": []}


def page(name, *rows, missing=()):
    return {name: rows, "next": None, "missing": list(missing)}


def test_a_hostile_device_name_sends_nothing_to_the_terminal(command):
    hostile = tunnel(1, device="\x1b]0;owned\x07\u202e")
    _, out, _ = command({"GET tunnels": page("tunnels", hostile)}, "tunnels", columns=200)
    assert "\\x1b]0;owned\\x07\\u202e" in out
    assert out.replace("\n", "").isprintable()


def test_a_table_fits_the_terminal(command):
    rows = [tunnel(n, device="d" * 200) for n in range(3)]
    _, out, _ = command({"GET tunnels": page("tunnels", *rows)}, "tunnels")
    assert max(map(width, out.splitlines())) <= 80
    assert len(out.splitlines()) == 4


def test_what_people_copy_is_not_shortened(command):
    row = tunnel(17, device="d" * 200, account="a" * 200)
    _, out, _ = command({"GET tunnels": page("tunnels", row)}, "tunnels", columns=60)
    assert row["id"] in out
    until = {"until_at": 2e9, "reason": "r" * 200, "by": "unix:uid=1000", "id": "f" * 16}
    rule = {"account": "a" * 64, "device": None, "address": None, **until}
    _, out, _ = command({"GET refused": {"refused": [rule]}}, "refused", columns=60)
    assert "f" * 16 in out
    _, out, _ = command({"GET proxies": fleet(proxy("edge-1/3fa95c1e"))}, "proxies", columns=60)
    assert "edge-1/3fa95c1e" in out


def test_output_that_is_no_terminal_is_json(command):
    _, out, _ = command(
        {"GET accounts": page("accounts", account("anna"))}, "accounts", columns=None
    )
    assert json.loads(out)["accounts"][0]["account"] == "anna"


def test_a_process_that_did_not_answer_makes_the_exit_code_1(command):
    answers = {"GET accounts": page("accounts", account("anna"), missing=["edge-2/b"])}
    code, out, errors = command(answers, "accounts")
    assert (code, errors) == (1, "tessel-proxy: no answer from edge-2/b\n")
    assert "TP1005 12, TP2005 1" in out


def test_end_asks_for_the_reason_and_says_who_confirmed(command):
    answers = {"POST end": {"ended": 2, **SPREAD}}
    code, out, _ = command(answers, "end", "--account", "kim", ask=lambda _: "stolen")
    assert (code, out) == (0, "ended 2 tunnels\nconfirmed by edge-1/a\n")
    assert command.asked == [("POST", "/api/v1/end", {"account": "kim", "reason": "stolen"})]


def test_end_without_a_reason_and_a_person_is_refused(command):
    with pytest.raises(WrongPlaceError, match="the reason is missing; add --reason TEXT"):
        command({}, "end", "--account", "kim")


def test_refuse_says_that_a_rule_ends_with_the_process(command):
    rule = {"id": "r1", "ended": 0, "kept": False, **SPREAD}
    words = ("refuse", "--address", "192.0.2.0/24", "--for", "12h", "--reason", "floods")
    _, out, _ = command({"POST refused": rule}, *words)
    assert "tessel-proxy allow r1" in out
    assert "neither REFUSALS_FILE nor FLEET_URL" in out
    assert command.asked[0][2] == {"address": "192.0.2.0/24", "for_s": 43200, "reason": "floods"}


REFUSE = ("refuse", "--account", "kim", "--reason", "stolen")
RULE = {"id": "r1", "ended": 0, "kept": True, **SPREAD}


@pytest.mark.parametrize("text", ["2099-12-24T18:00+01:00", "2099-12-24 17:00Z"])
def test_refuse_until_a_date_and_time_with_its_zone(command, text):
    until_at = 4_101_814_800.0
    _, out, _ = command({"POST refused": RULE | {"until_at": until_at}}, *REFUSE, "--until", text)
    assert command.asked[0][2]["until_at"] == until_at
    assert out.startswith("refused until 2099-12-24 17:00 UTC\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2099-12-24T18:00", "has no time zone; allowed: 2026-12-24T18:00\\+01:00"),
        ("tomorrow", "'tomorrow'; allowed: 2026-12-24T18:00"),
    ],
)
def test_a_time_without_zone_or_of_another_form_is_refused(command, capsys, text, why):
    with pytest.raises(SystemExit):
        command({}, *REFUSE, "--until", text)
    assert re.search(why, capsys.readouterr().err.replace("\n", " "))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--until", "2020-01-01T00:00Z"], "--until is in the past"),
        (["--until", "2099-01-01T00:00Z", "--for", "1h"], "either --for, or --until"),
    ],
)
def test_an_end_that_is_past_or_given_twice_is_refused(command, words, why):
    with pytest.raises(WrongPlaceError, match=why):
        command({}, *REFUSE, *words)


@pytest.mark.parametrize("words", [("end-tunnels", "kim"), ("check-tokens", "kim")])
def test_the_older_commands_say_how_many_have_acted(command, words):
    answer = {"ended": 1, "confirmed": ["a"], "missing": ["b"]}
    answers = {"POST end": answer, "POST check-tokens": answer}
    code, out, errors = command(answers, *words)
    assert (code, out) == (1, "1 of 2 have acted\n")
    assert errors == "tessel-proxy: not confirmed by b\n"
    assert command.asked[0][2]["account"] == "kim"


def test_upgrade_asks_over_the_socket_and_not_by_url(command):
    code, out, _ = command({"POST upgrade": {"upgraded": True}}, "upgrade")
    assert (code, out) == (0, "upgraded: new workers serve, the former ones drain\n")
    for words in (["--url", "http://127.0.0.1:9105"], ["--token-file", "token"]):
        with pytest.raises(WrongPlaceError, match="only on the proxy's host"):
            command({}, "upgrade", *words)


def test_upgrade_without_a_socket_says_that_a_url_does_not_do():
    parser = CommandParser()
    add_commands(parser.add_subparsers(dest="command"))
    with pytest.raises(WrongPlaceError, match="on the proxy's host only, not by URL"):
        run(
            parser.parse_args(["upgrade"]), {"ADMIN_URL": "http://127.0.0.1:1"}, Screen(*3 * [None])
        )


def test_a_missing_proxy_is_explained(tmp_path):
    parser = CommandParser()
    add_commands(parser.add_subparsers(dest="command"))
    place = {"CONTROL_SOCKET": str(tmp_path / "none")}
    with pytest.raises(ConsoleError, match="no such socket; needed: the path that a"):
        run(parser.parse_args(["tunnels"]), place, Screen(io.StringIO(), io.StringIO(), 80))


def test_a_wrong_token_is_explained(tmp_path):
    parser = CommandParser()
    add_commands(parser.add_subparsers(dest="command"))
    token = tmp_path / "token"
    token.write_text("secret\n")
    screen = Screen(io.StringIO(), io.StringIO(), 80)
    with UrlApi({}) as api:
        asked = parser.parse_args(["tunnels", "--url", api.url, "--token-file", str(token)])
        with pytest.raises(ConsoleError, match="token is not accepted"):
            run(asked, {}, screen)


def closing_lines(text):
    json_line = {
        "time": "2026-11-30T01:00:00.000Z",
        "event": "tunnel_closed",
        "account": "kim",
        "bytes_from_device": 5,
        "bytes_from_target": 7,
        "substreams": 2,
    }
    return text, json.dumps(json_line) + "\n"


TEXT_LINE = (
    "2026-11-30T02:00:00.000Z info tunnel_closed [2] tunnel 7 of 192.0.2.1:5 closed: ended; "
    "account kim, no device name, 1 substream, 1 byte from the device, 3 from targets, 9.1 s: bye\n"
)


def test_usage_sums_text_and_json_logs_also_compressed(tmp_path):
    text, as_json = closing_lines(TEXT_LINE)
    (tmp_path / "a").write_text(text + "{cut off tunnel_closed\n")
    (tmp_path / "b.gz").write_bytes(gzip.compress(as_json.encode()))
    (row,) = summed([tmp_path / "a", tmp_path / "b.gz"])
    assert (row["day"], row["account"], row["tunnels"], row["opens"]) == ("2026-11-30", "kim", 2, 3)
    assert (row["bytes_from_device"], row["bytes_from_target"]) == (6, 10)


def test_usage_as_csv_holds_no_formula(command):
    row = {"day": "2026-11-30", "account": "=1+1", "bytes_from_device": 1, "bytes_from_target": 2}
    rows = {"usage": [row | {"opens": 3, "tunnels": 4, "refusals": 5}], "next": None}
    _, out, _ = command({"GET usage": rows}, "usage", "--csv")
    assert out.splitlines()[1] == "2026-11-30,'=1+1,1,2,3,4,5"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (999_999, "1.00 MB")]
)
def test_sizes_have_human_units(count, text):
    assert size(count) == text


def test_durations_and_wide_texts():
    assert [lasted(each) for each in (5, 65, 3700, 90_000)] == ["5s", "1m 5s", "1h 1m", "1d 1h"]
    assert cut("日本語", 5) == "日本…"
    assert table([field("A", "a")], [{"a": "x"}], None) == ["A", "x"]


@pytest.mark.parametrize(
    "words", [["drain"], ["rebalance"], ["accounts", "--json", "--table"], ["refuse", "--device=x"]]
)
def test_arguments_that_name_nothing_or_two_things_are_refused(command, words):
    with pytest.raises(WrongPlaceError, match="expected either"):
        command({}, *words)


def test_drain_of_all_names_no_member(command):
    _, out, _ = command({"POST drain": {}}, "drain", "--all")
    assert command.asked == [("POST", "/api/v1/drain", {})]
    assert out.startswith("draining")


def test_rebalance_says_how_many_were_asked(command):
    answers = {"POST rebalance": {"asked": 2, "missing": []}}
    assert command(answers, "rebalance", "--share", "0.5")[1] == "asked 2 tunnels to reconnect\n"
