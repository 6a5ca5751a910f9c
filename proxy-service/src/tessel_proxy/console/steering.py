"""The commands that change something: what each sends, and the lines it prints."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from tessel_proxy.console.client import Client
from tessel_proxy.console.place import WrongPlaceError
from tessel_proxy.console.printing import Screen, Shown
from tessel_proxy.console.units import moment, plain
from tessel_service_kit.texts import counted

ENDED: Final = "ended by the operator"
"""What a device is sent by `end-tunnels` without a reason."""


def _end(client: Client, arguments: Namespace, screen: Screen) -> Shown:
    if (arguments.id is None) == (arguments.account is None):
        raise WrongPlaceError("end: expected either the ID of a tunnel, or --account")
    if arguments.id is not None and arguments.device is not None:
        raise WrongPlaceError("end: --device needs --account, not an ID")
    reason = _reason(arguments, screen)
    if arguments.id is not None:
        answer = client.delete(f"tunnels/{quote(arguments.id, safe='')}", reason=reason)
    else:
        named = {"account": arguments.account, "device": arguments.device}
        answer = client.post("end", **named, reason=reason)
    return answer, [f"ended {counted(answer['ended'], 'tunnel')}", *_confirmed(answer)]


def _end_tunnels(client: Client, arguments: Namespace, _: Screen) -> Shown:
    named = {"account": arguments.account, "device": arguments.device}
    answer = client.post("end", **named, reason=arguments.reason or ENDED)
    return answer, [acted(answer)]


def _check_tokens(client: Client, arguments: Namespace, _: Screen) -> Shown:
    answer = client.post("check-tokens", account=arguments.account)
    return answer, [acted(answer)]


def acted(answer: Mapping[str, Any]) -> str:
    """Return in words how many processes have acted, of how many."""
    done = len(answer["confirmed"])
    return f"{done} of {done + len(answer['missing'])} have acted"


def _refuse(client: Client, arguments: Namespace, screen: Screen) -> Shown:
    _check_subject(arguments)
    if arguments.for_s is not None and arguments.until_at is not None:
        raise WrongPlaceError("refuse: expected either --for, or --until")
    if arguments.until_at is not None and arguments.until_at <= time.time():
        raise WrongPlaceError(f"refuse: --until is in the past ({moment(arguments.until_at)})")
    names = ("account", "device", "address", "for_s", "until_at")
    asked = {name: getattr(arguments, name) for name in names}
    answer = client.post("refused", **asked, reason=_reason(arguments, screen))
    rule = plain(answer["id"])
    until_at = answer.get("until_at")
    lines = [
        f"refused until {moment(until_at)}" if until_at else "refused until you allow it again",
        f"to allow it again: tessel-proxy allow {rule}",
        f"ended {counted(answer['ended'], 'tunnel')}",
        *_confirmed(answer),
    ]
    if answer.get("kept") is False:
        lines.append(
            "this refusal is lost when the proxy stops: neither REFUSALS_FILE nor FLEET_URL is set"
        )
    return answer, lines


def _check_subject(arguments: Namespace) -> None:
    if (arguments.address is None) == (arguments.account is None):
        raise WrongPlaceError("refuse: expected either --account, or --address")
    if arguments.address is not None and arguments.device is not None:
        raise WrongPlaceError("refuse: --device needs --account, not --address")


def _allow(client: Client, arguments: Namespace, _: Screen) -> Shown:
    answer = client.delete(f"refused/{quote(arguments.rule, safe='')}")
    lines = [
        f"rule {plain(arguments.rule)} is removed; refused devices try again within 5 minutes",
        *_confirmed(answer),
    ]
    return answer, lines


def _rebalance(client: Client, arguments: Namespace, _: Screen) -> Shown:
    if (arguments.tunnels is None) == (arguments.share is None):
        raise WrongPlaceError("rebalance: expected either --tunnels, or --share")
    asked = {name: getattr(arguments, name) for name in ("tunnels", "share", "member")}
    answer = client.post("rebalance", **asked)
    return answer, [f"asked {counted(answer['asked'], 'tunnel')} to reconnect"]


def _drain(client: Client, arguments: Namespace, _: Screen) -> Shown:
    if (arguments.member is None) == (not arguments.all):
        raise WrongPlaceError("drain: expected either --member, or --all")
    answer = client.post("drain", member=arguments.member)
    return answer, ["draining: no new devices; open connections may finish within DRAIN_S"]


def _upgrade(client: Client, _: Namespace, __: Screen) -> Shown:
    return client.post("upgrade"), ["upgraded: new workers serve, the former ones drain"]


def _confirmed(answer: Mapping[str, Any]) -> list[str]:
    return [f"confirmed by {plain(name)}" for name in sorted(answer.get("confirmed") or ())]


def _reason(arguments: Namespace, screen: Screen) -> str:
    """Return the reason of a command; ask the person if it is not given. Raises WrongPlaceError."""
    reason: str = arguments.reason or ""
    if not reason.strip() and screen.ask is not None:
        reason = screen.ask("Reason (the device's program gets this text): ")
    if not reason.strip():
        raise WrongPlaceError(
            f"{arguments.command}: the reason is missing; add --reason TEXT, which the device's "
            "program gets"
        )
    return reason.strip()


STEERING: Final[Mapping[str, Callable[[Client, Namespace, Screen], Shown]]] = {
    "end": _end,
    "end-tunnels": _end_tunnels,
    "check-tokens": _check_tokens,
    "refuse": _refuse,
    "allow": _allow,
    "rebalance": _rebalance,
    "drain": _drain,
    "upgrade": _upgrade,
}
