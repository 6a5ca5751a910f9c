"""The options of `tessel gateway` and `tessel connect`, as an argument parser reads them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

from tessel.run_options import add_env
from tessel.settings import MAX_PORT
from tessel_service_kit.settings_help import described

GATEWAY: Final = "gateway"
CONNECT: Final = "connect"

_GATEWAY: Final = """\
Let programs that know nothing of the device use its network: a proxy on one local port that speaks
SOCKS5, SOCKS4a and HTTP (CONNECT, and plain http:// requests).
PROXY_LOCAL decides which connections go directly; all others go through the tunnel.

With -- PROGRAM, the program runs with the proxy variables (http_proxy and others) set to a port and
a password of its own, and the gateway ends with it:
  tessel gateway -- pip install requests

Exit code: 0 after SIGINT or SIGTERM; 1 for a wrong setting, or if the port cannot be opened; with a
PROGRAM, its exit code."""

_CONNECT: Final = """\
Connect to HOST, PORT over the device's network, and join the connection to standard input and
output. For ssh: ProxyCommand tessel connect %h %p

Exit code: 0 if both sides ended in order; 1 if the connection failed or was cut; 130 for SIGINT and
143 for SIGTERM."""

Command = Callable[[argparse.Namespace], int]


def add_gateway(commands: Any, command: Command) -> None:
    """Add the command `gateway` with its options."""
    parser = commands.add_parser(
        GATEWAY,
        help="a SOCKS and HTTP proxy for programs on this machine",
        usage="tessel gateway [-h] [--env NAME=VALUE]... [--listen ADDRESS:PORT] "
        "[-- PROGRAM [ARG...]]",
        description=_GATEWAY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action=_ShowHelp, nargs=0, help="show this and exit")
    parser.set_defaults(command=command, name=GATEWAY)
    add_env(parser)
    parser.add_argument(
        "--listen",
        metavar="ADDRESS:PORT",
        help="instead of GATEWAY_LISTEN (127.0.0.1:1080); port 0: any free port",
    )
    parser.add_argument(
        "program",
        metavar="PROGRAM",
        nargs="*",
        help="a program that runs with the gateway as its proxy, after --",
    )


def add_connect(commands: Any, command: Command) -> None:
    """Add the command `connect` with its options."""
    parser = commands.add_parser(
        CONNECT,
        help="join one connection to standard input and output",
        usage="tessel connect [-h] [--env NAME=VALUE]... HOST PORT",
        description=_CONNECT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command, name=CONNECT)
    add_env(parser)
    parser.add_argument("host", metavar="HOST", help="name or address of the target")
    parser.add_argument("port", metavar="PORT", type=_port, help="1 to 65535")


class _ShowHelp(argparse.Action):
    """Shows the help with the gateway's settings, which are loaded only for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from tessel.gateway.settings import GATEWAY_SETTINGS  # noqa: PLC0415 - `run` needs no gateway

        parser.epilog = (
            f"settings, from the environment or --env:\n{described(GATEWAY_SETTINGS)}\n"
            "  and those of the device: tessel run --help"
        )
        parser.print_help()
        parser.exit()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; allowed: 1 to {MAX_PORT}")
    return int(text)
