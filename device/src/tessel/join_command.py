"""The command `tessel join`: an invitation -> the settings of this device."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorCore
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.network.direct import DirectNetwork
from tessel.network.interface import ProtocolFactory, Target, TlsOptions
from tessel.network.routed import NoWatcher
from tessel.network.tunneled.joining import (
    Invitation,
    InvitationError,
    JoinedProxy,
    is_accepted,
    join,
    parse_invitation,
)
from tessel.radio.host import HostRadio, IHostReactor
from tessel.settings_file import prove_writable, settings_file, write_private

if TYPE_CHECKING:
    from tessel.radio.interface import IRadio

FAILED_EXIT: Final = 1
DESCRIPTION: Final = """\
Exchange an invitation, which `tessel-proxy invite` made, for the token of this device, and write
the proxy's settings for this user. Then tessel run, gateway and connect use them, unless the
environment names a proxy or a token. Give - to read the invitation from standard input, so that it
does not stay in the history of your shell.

Exit code: 0 if the settings are written or printed; 1 if not, with the reason."""


class Form(StrEnum):
    """The form in which settings are printed for another client."""

    ENV = "env"
    MICROPYTHON = "micropython"
    JSON = "json"


class IJoinReactor(IHostReactor, IReactorCore):
    """The interfaces of a Twisted reactor that the command uses."""


def add_join_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tessel join`."""
    parser.add_argument(
        "--print",
        dest="form",
        choices=[each.value for each in Form],
        help="print the settings for another client, with the token, and write no file",
    )
    parser.add_argument(
        "--to", type=Path, metavar="FILE", help="file to write, in place of this user's settings"
    )
    parser.add_argument("uri", metavar="INVITATION", help="tessel://…, or - for standard input")


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams from which the command reads an invitation, and to which it writes."""

    input: TextIO
    output: TextIO
    errors: TextIO


def run(
    given: argparse.Namespace,
    environ: Mapping[str, str],
    reactor: IJoinReactor,
    streams: Streams,
) -> int:
    """Run the command in the reactor; return its exit code."""
    text = streams.input.readline() if given.uri == "-" else given.uri
    try:
        invitation = parse_invitation(text)
        if given.form is None:
            prove_writable(given.to or settings_file(environ))
        proxy = _result_of(_Joining(reactor, streams.errors), invitation, reactor)
        streams.output.write(_finished(proxy, given, environ) + "\n")
    except InvitationError as error:
        why = f"the invitation was not accepted: {error}"
    except NodeError as error:
        why = f"the proxy was not reached: {error}"
    except OSError as error:
        why = f"{error.filename}: {error.strerror}"
    else:
        return 0
    streams.errors.write(f"tessel: {why}\n")
    return FAILED_EXIT


def _finished(proxy: JoinedProxy, given: argparse.Namespace, environ: Mapping[str, str]) -> str:
    """Write the settings, or return them to be printed; raises OSError."""
    if given.form is not None:
        return printed(proxy, Form(given.form))
    file = given.to or settings_file(environ)
    _write(proxy, file)
    return f"wrote {file}: tessel run, gateway and connect use it"


class _Joining:
    """Joins over the host's sockets, whatever radio programs use."""

    def __init__(self, reactor: IJoinReactor, errors: TextIO) -> None:
        self._reactor = reactor
        self._errors = errors
        self._radio = cast("IRadio", HostRadio(reactor))
        self._network = DirectNetwork(self._radio, reactor)

    async def join(self, invitation: Invitation) -> JoinedProxy:
        """Return the settings that the invitation was exchanged for."""
        await self._radio.power_on()
        proxy = await join(invitation, self._dial, self._reactor)
        where = f"{proxy.host}:{proxy.port}"
        self._errors.write(f"{where} has given this device a token of account {proxy.account}\n")
        if not await self._is_accepted(proxy):
            self._errors.write(
                f"tessel: warning: {where} does not accept the token yet; does it read the same "
                "AUTH_FILE as the command that made the invitation?\n"
            )
        return proxy

    async def _is_accepted(self, proxy: JoinedProxy) -> bool:
        """Return whether the token works. The invitation is used up, so failures are no errors."""
        try:
            return await is_accepted(proxy, self._dial, self._reactor)
        except NodeError:
            return False

    def _dial(
        self, target: Target, factory: ProtocolFactory, tls: TlsOptions
    ) -> Deferred[IProtocol]:
        return self._network.connect_tls(target, factory, tls, NoWatcher())


def _result_of(joining: _Joining, invitation: Invitation, reactor: IJoinReactor) -> JoinedProxy:
    results: list[JoinedProxy | Failure] = []

    def start() -> None:
        done = Deferred.fromCoroutine(joining.join(invitation))
        done.addBoth(results.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(start)
    reactor.run()
    if not results:
        raise KeyboardInterrupt
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def _write(proxy: JoinedProxy, file: Path) -> None:
    authority = None
    if proxy.authority is not None:
        authority = file.with_name(f"{file.stem}-authority.pem").absolute()
        write_private(authority, proxy.authority)
    lines = [
        f"# The proxy that this device has joined; the token belongs to account {proxy.account}.",
        *(f"{name}={value}" for name, value in _settings(proxy, authority).items()),
    ]
    write_private(file, "\n".join(lines) + "\n")


def _settings(proxy: JoinedProxy, authority: Path | None) -> dict[str, str]:
    settings = {"PROXY_HOST": proxy.host, "PROXY_PORT": str(proxy.port), "PROXY_TOKEN": proxy.token}
    return settings if authority is None else settings | {"PROXY_CERT_FILE": str(authority)}


def printed(proxy: JoinedProxy, form: Form) -> str:
    """Return the settings, with the token, in a form that another client reads."""
    fields = {
        "host": proxy.host,
        "port": proxy.port,
        "token": proxy.token,
        "authority": proxy.authority,
    }
    match form:
        case Form.JSON:
            return json.dumps(fields, indent=2)
        case Form.MICROPYTHON:
            lines = (f"{name.upper()} = {value!r}" for name, value in fields.items())
            return "\n".join(["# settings.py", *lines])
        case Form.ENV:
            settings = _settings(proxy, None)
            if proxy.authority is not None:
                settings["PROXY_CERT"] = f'"{proxy.authority.rstrip()}"'
            return "\n".join(f"{name}={value}" for name, value in settings.items())
