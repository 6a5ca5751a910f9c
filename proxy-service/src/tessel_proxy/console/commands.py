"""Runs a command of the operator: finds the proxy, asks it, and prints the answer."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from tessel_proxy.console.client import Client
from tessel_proxy.console.listing import LISTS
from tessel_proxy.console.place import WrongPlaceError, local_place, place_of
from tessel_proxy.console.printing import Screen, print_answer, report_missing
from tessel_proxy.console.steering import STEERING, acted
from tessel_proxy.console.usage import usage_of_logs, usage_of_proxies


def run(arguments: Namespace, environ: Mapping[str, str], screen: Screen) -> int:
    """Run a command of the operator; return its exit code. Raises ConsoleError."""
    if arguments.command != "top" and arguments.json and arguments.table:
        raise WrongPlaceError("expected either --json, or --table")
    if arguments.command == "usage" and arguments.log:
        return usage_of_logs(arguments, screen)
    client = _client(arguments, environ)
    if arguments.command == "top":
        return _top(client, screen)
    if arguments.command == "usage":
        return usage_of_proxies(client, arguments, screen)
    if arguments.command in LISTS:
        answer, lines = LISTS[arguments.command](client, arguments, screen.columns)
    else:
        answer, lines = STEERING[arguments.command](client, arguments, screen)
    print_answer(arguments, answer, lines, screen)
    return report_missing(answer, screen)


def print_acted(arguments: Namespace, answer: dict[str, Any], screen: Screen) -> int:
    """Print which processes have acted, for a command that went to them by another way.

    Returns the exit code.
    """
    print_answer(arguments, answer, [acted(answer)], screen)
    return report_missing(answer, screen)


def _client(arguments: Namespace, environ: Mapping[str, str]) -> Client:
    is_local = arguments.command == "upgrade"
    place = local_place if is_local else place_of
    return Client(place(arguments.url, arguments.token_file, environ))


def _top(client: Client, screen: Screen) -> int:
    from tessel_proxy.console.top import watch  # noqa: PLC0415 -- needs termios

    return watch(client, screen)
