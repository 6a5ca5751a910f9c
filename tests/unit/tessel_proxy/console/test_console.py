"""The operator's commands, against an API that answers what its contract says."""

import gzip
import io
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn, UnixStreamServer

import pytest

from support.page.stand_in_api import account, proxy, tunnel
from tessel_proxy.console import ConsoleError, Screen, add_commands, run
from tessel_proxy.console.client import WrongPlaceError
from tessel_proxy.console.log_usage import summed
from tessel_proxy.console.screen import Snapshot, lines_of
from tessel_proxy.console.tables import field, table
from tessel_proxy.console.units import cut, lasted, size, width
from tessel_service_kit.command_line import CommandParser

SPREAD = {"confirmed": ["edge-1/a"], "missing": []}


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class LocalServer(ThreadingMixIn, UnixStreamServer):
    pass


def api(answers, asked):
    class Answers(BaseHTTPRequestHandler):
        def address_string(self):
            return "local"

        def log_message(self, *_):
            pass

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, json.loads(body) if body else None))
            resource = self.path.partition("?")[0].removeprefix("/api/v1/")
            answer = answers.get(f"{self.command} {resource}")
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            self.wfile.write(b"nothing" if answer is None else json.dumps(answer).encode())

        do_POST = do_DELETE = do_GET

    return Answers


@pytest.fixture
def command(tmp_path):
    """Run a command against these answers; return exit code, output and errors."""

    def ran(answers, *words, columns=80, ask=None):
        parser = CommandParser()
        add_commands(parser.add_subparsers(dest="command"))
        out, errors = io.StringIO(), io.StringIO()
        ran.asked = []
        path = tmp_path / "control"
        path.unlink(missing_ok=True)
        with serving(LocalServer(str(path), api(answers, ran.asked))):
            screen = Screen(out, errors, columns, ask)
            code = run(parser.parse_args(words), {"CONTROL_SOCKET": str(path)}, screen)
        return code, out.getvalue(), errors.getvalue()

    return ran


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
    with pytest.raises(WrongPlaceError, match="--reason is missing"):
        command({}, "end", "--account", "kim")


def test_refuse_says_that_a_rule_ends_with_the_process(command):
    rule = {"id": "r1", "ended": 0, "kept": False, **SPREAD}
    words = ("refuse", "--address", "192.0.2.0/24", "--for", "12h", "--reason", "floods")
    _, out, _ = command({"POST refused": rule}, *words)
    assert "tessel-proxy allow r1" in out
    assert "neither REFUSALS_FILE nor FLEET_URL" in out
    assert command.asked[0][2] == {"address": "192.0.2.0/24", "for_s": 43200, "reason": "floods"}


def test_a_missing_proxy_is_explained(tmp_path):
    parser = CommandParser()
    add_commands(parser.add_subparsers(dest="command"))
    place = {"CONTROL_SOCKET": str(tmp_path / "none")}
    with pytest.raises(ConsoleError, match="is it running, and are you its user or root"):
        run(parser.parse_args(["tunnels"]), place, Screen(io.StringIO(), io.StringIO(), 80))


def test_a_wrong_token_is_explained(tmp_path):
    parser = CommandParser()
    add_commands(parser.add_subparsers(dest="command"))
    token = tmp_path / "token"
    token.write_text("secret\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), api({}, []))
    words = ["tunnels", "--url", f"http://127.0.0.1:{server.server_port}"]
    words += ["--token-file", str(token)]
    screen = Screen(io.StringIO(), io.StringIO(), 80)
    with serving(server), pytest.raises(ConsoleError, match="token is not accepted"):
        run(parser.parse_args(words), {}, screen)


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


def test_top_fits_80_columns_and_shows_the_busiest_first():
    rows = [tunnel(n, device="d" * 90, bytes_from_device_per_s=float(n)) for n in range(100)]
    away = proxy("edge-2/b", ready=False, obstacles=["draining"])
    lines = lines_of(Snapshot(2e9, rows, [account("anna")], [away]), 80, 24)
    assert len(lines) == 24
    assert max(map(width, lines)) <= 80
    assert "edge-2/b is not ready: draining" in lines
    assert "refused: TP1005 12, TP2005 1" in lines


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
