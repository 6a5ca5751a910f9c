from pathlib import Path

from bench import contenders
from bench.contenders import Contender, Setup

SETUP = Setup(Path("/nowhere"), site_port=7)


def test_only_who_has_credit_offers_it():
    assert '"credit/1"' in options(Contender("a", "tunnel", 1, credit=True))["--features"]
    assert '"credit/1"' not in options(Contender("a", "tunnel", 1))["--features"]


def test_the_client_gets_the_way_and_both_ports():
    told = options(Contender("a", "socks", 1))
    assert (told["--way"], told["--port"], told["--site"]) == ("socks", "1", "7")


def test_one_without_a_server_costs_nothing():
    assert Contender("direct", "direct", 1).usage().cpu_s == 0


def test_the_proxys_port_is_read_from_whole_lines_of_its_log():
    line = '{"event": "listening", "port": 5}'
    assert contenders._listening(f"a warning\n{line}") is None
    assert contenders._listening(f"a warning\n{line}\n") == 5


def options(contender):
    told = contender.options(SETUP)
    return dict(zip(told[::2], told[1::2], strict=True))
