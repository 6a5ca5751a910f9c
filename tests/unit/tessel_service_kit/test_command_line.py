"""Commands whose usage errors name what was meant."""

import pytest

from tessel_service_kit.command_line import CommandParser, explain_assignment, nearest


def parser():
    """A service with a default command, as ours are."""
    outer = CommandParser(prog="service", explain=explain_assignment)
    outer.add_argument("--version", action="version", version="service 1")
    commands = outer.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve")
    making = commands.add_parser("make-cert")
    making.add_argument("names", nargs="+")
    making.add_argument("--out")
    making.add_argument("--encrypted", action="store_true")
    return outer


@pytest.mark.parametrize(
    "words",
    [
        ["make-cert", "a", "b", "--out", "x"],
        ["make-cert", "--out=x", "--encrypted", "a", "b"],
        ["make-cert", "--out", "x", "--", "a", "b"],
    ],
)
def test_options_are_accepted_where_argparse_accepts_them(words):
    given = parser().parse_args(words)
    assert (given.command, given.names[-2:], given.out) == ("make-cert", ["a", "b"], "x")


def test_a_command_with_a_default_may_be_left_out():
    assert parser().parse_args([]).command is None


def test_the_default_arguments_are_those_of_the_process(monkeypatch):
    monkeypatch.setattr("sys.argv", ["service", "serve"])
    assert parser().parse_args().command == "serve"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("srve", "service: error: 'srve' is not a command; did you mean serve?"),
        ("MAKE-CERT x", "service: error: 'MAKE-CERT' is not a command; did you mean make-cert?"),
        ("zzz", "service: error: 'zzz' is not a command; expected: serve or make-cert"),
        ("version", "service: error: 'version' is not a command; did you mean --version?"),
        (
            "PORT=1",
            (
                "service: error: 'PORT=1' is not a command; settings come from the environment: "
                "write PORT=1 before the command's name"
            ),
        ),
        ("=1", "service: error: '=1' is not a command; expected: serve or make-cert"),
        ("--versoin", "service: error: --versoin is not an option; did you mean --version?"),
        ("-x", "service: error: -x is not an option"),
        ("--out x", "service: error: --out goes after the command: service make-cert --out ..."),
        ("serve now please", "service serve: error: unexpected argument: 'now' 'please'"),
        ("serve --out x", "service serve: error: --out is not an option"),
        ("make-cert", "service make-cert: error: the following arguments are required: names"),
        (
            "make-cert x --aut=y",
            "service make-cert: error: --aut is not an option; did you mean --out?",
        ),
        ("make-cert --out", "service make-cert: error: argument --out: expected one argument"),
    ],
)
def test_a_usage_error_suggests_a_correction(words, fault, capsys):
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(words.split())
    assert caught.value.code == 2
    usage, *_, told = capsys.readouterr().err.splitlines()
    assert told == fault
    assert usage.startswith(f"usage: {fault.partition(': error')[0]} ")


def test_no_word_is_similar_to_a_very_different_one():
    assert nearest("hello.py", ["run", "radio"]) is None
