"""The command `tessel-proxy`: serve, the commands of the operator, certificates and tokens.

Exit codes: 0 success, 1 failure, 2 wrong settings or arguments.
"""

from __future__ import annotations

# isort: off
# First, because another import would install Twisted's default reactor.
from tessel_service_kit.reactor import reactor as installed_reactor
# isort: on

import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from os import environ
from pathlib import Path
from shutil import get_terminal_size
from typing import cast

from tessel_proxy.auth.account_file import (
    TokenError,
    generated_token,
    given_token,
    line_for,
    recipe_for,
)
from tessel_proxy.auth.invitations import InvitationsError
from tessel_proxy.certificates.issuing import names_of
from tessel_proxy.certificates.make import (
    CertificateError,
    CertificateFamily,
    MadeCertificates,
    make_files,
)
from tessel_proxy.console import (
    COMMANDS,
    ConsoleError,
    Screen,
    WrongPlaceError,
    print_acted,
    run,
)
from tessel_proxy.egress.policies import Policies
from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.notices import Notice, TokensRevoked, TunnelsEnded
from tessel_proxy.front.tls import ServerTLS, utc
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.startup.command_line import parser
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.inviting import Place, explained, invite, qr_code
from tessel_proxy.startup.notifying import notify_fleet
from tessel_proxy.startup.preparation import Ready, get_ready
from tessel_proxy.startup.run import Host, IReactor, serve
from tessel_proxy.startup.work import work
from tessel_service_kit.files import hints_of_exposed, reason
from tessel_service_kit.serving import (
    AT_FAULT,
    FAILED,
    OK,
)
from tessel_service_kit.settings import ConfigError

reactor = cast("IReactor", installed_reactor)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `tessel-proxy`, by default `serve`; return its exit code (0, 1 or 2).

    `argv`: the arguments without the program's name; None: those of the process.
    """
    try:
        return _run(parser().parse_args(argv))
    except ConfigError as error:
        _complain(f"wrong settings ({ErrorCode.SETTINGS.value})", *error.faults)
        return AT_FAULT
    except CertificateError as error:
        _complain("no certificate was made", *str(error).splitlines())
        return FAILED
    except WrongPlaceError as error:
        _complain("this cannot be asked", str(error))
        return AT_FAULT
    except ConsoleError as error:
        _complain("the command failed", str(error))
        return FAILED
    except EngineError as error:
        _complain(f"no proxy was notified ({ErrorCode.ENGINE_AWAY.value})", str(error))
        return FAILED
    except TokenError as error:
        _complain("no token was made", str(error))
        return FAILED
    except InvitationsError as error:
        _complain("no invitation was made", str(error))
        return FAILED


def _run(arguments: Namespace) -> int:
    match arguments.command:
        case "make-cert":
            family = (
                CertificateFamily.TESSEL_1 if arguments.for_tessel_1 else CertificateFamily.CURRENT
            )
            return _make_cert(arguments.names, family, arguments.out, arguments.days)
        case "hash-token":
            return _hash_token(arguments.account, given=arguments.stdin)
        case "invite":
            return _invite(arguments)
        case "check-config":
            return _check_config()
        case "end-tunnels" | "check-tokens" if _is_for_engine(arguments):
            return _notify_fleet(arguments)
        case command if command in COMMANDS:
            return run(arguments, environ, _screen())
        case "worker":
            return work(Host(environ, reactor, sys.stderr), arguments)
        case _:
            return _serve()


def _serve() -> int:
    return serve(Host(environ, reactor, sys.stderr))


def _screen() -> Screen:
    is_terminal = sys.stdout.isatty()
    columns = get_terminal_size().columns if is_terminal else None
    ask = input if is_terminal and sys.stdin.isatty() else None
    return Screen(sys.stdout, sys.stderr, columns, ask)


def _is_for_engine(arguments: Namespace) -> bool:
    return arguments.url is None and bool(environ.get("FLEET_URL"))


def _notify_fleet(arguments: Namespace) -> int:
    """Notify the proxies through the engine; print the answer as the API has it."""
    done = notify_fleet(_notice(arguments), environ, reactor)
    answer = {"confirmed": list(done.confirmed), "missing": list(done.missing)}
    return print_acted(arguments, answer, _screen())


def _notice(arguments: Namespace) -> Notice:
    if arguments.command == "end-tunnels":
        return TunnelsEnded(arguments.account, arguments.device, arguments.reason or "")
    return TokensRevoked(arguments.account)


def _check_config() -> int:
    ready = get_ready(environ, reactor)
    print(_report(ready))
    for hint in ready.hints:
        print(f"hint: {hint}", file=sys.stderr)
    return OK


def _report(ready: Ready) -> str:
    lines = [f"{name}={value}" for name, value in ready.config.shown()]
    lines += [
        f"tokens are checked by: {', then '.join(ready.chosen.settings)}",
        *_shown("certificate", ready.tls),
        *(_shown("certificate for Tessel 1", ready.legacy_tls) if ready.legacy_tls else ()),
        Policies(ready.config).summary(),
        "the settings can be used",
    ]
    return "\n".join(lines)


def _shown(what: str, tls: ServerTLS) -> Sequence[str]:
    identity = tls.identity
    lists_end = identity.revocations.first_end
    return (
        f"{what}: {', '.join(names_of(identity.certificate)) or 'no names'}",
        f"{what} valid until: {identity.ends:%F %T} UTC",
        *([f"revocation lists valid until: {lists_end:%F %T} UTC"] if lists_end else ()),
    )


def _make_cert(names: Sequence[str], family: CertificateFamily, out: Path | None, days: int) -> int:
    files = family.files(Config.for_certificates(environ))
    if out is not None:
        files = files.moved_to(out)
    try:
        made = make_files(names, files, utc(time.time()), days=days)
    except OSError as error:
        why = reason(Path(error.filename), error) if error.filename else str(error)
        _complain("no certificate was made", f"{error.filename}: {why}")
        return FAILED
    print(_account_of(made))
    return OK


def _account_of(made: MadeCertificates) -> str:
    lines = [f"wrote {file}" for file in made.written]
    if not made.authority_is_new:
        lines.append(f"kept {made.authority_file}: devices need nothing new")
    return "\n".join(
        [
            *lines,
            f"the server's certificate is for {', '.join(names_of(made.server))}",
            f"renew it before {made.server.not_valid_after_utc:%F} by running this again",
            f"the authority is valid until {made.authority.not_valid_after_utc:%F}",
            f"devices trust this proxy with {_trust(made)}",
        ]
    )


def _hash_token(account: str, *, given: bool) -> int:
    config = Config.for_tokens(environ)
    token = given_token(sys.stdin.buffer) if given else generated_token()
    print(line_for(account, token, recipe_for(config.auth_file)))
    if config.auth_file is not None:
        for hint in hints_of_exposed([("AUTH_FILE", config.auth_file)]):
            print(f"hint: {hint}", file=sys.stderr)
    if not given:
        print(f"the token of {account}, shown only once: {token}", file=sys.stderr)
    return OK


def _invite(arguments: Namespace) -> int:
    config = Config.for_invitations(environ)
    place = Place(arguments.host, arguments.port)
    invited = invite(config, arguments.account, place, time.time(), arguments.hours * 3600.0)
    print(invited.uri)
    if not arguments.no_qr:
        print(qr_code(invited.uri), file=sys.stderr)
    print(explained(invited), file=sys.stderr)
    return OK


def _trust(made: MadeCertificates) -> str:
    file = made.authority_file
    match made.family:
        case CertificateFamily.CURRENT:
            return f"a copy of {file}, as PROXY_CERT_FILE"
        case CertificateFamily.TESSEL_1:
            return f"PROXY_CERT set to the text of {file}; see docs/tessel-1.md"


def _complain(what: str, *reasons: str) -> None:
    print(
        f"tessel-proxy: {what}:", *(f"  {reason}" for reason in reasons), sep="\n", file=sys.stderr
    )


if __name__ == "__main__":
    sys.exit(main())
