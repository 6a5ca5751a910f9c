"""The commands by which an operator sees and steers running proxies: tables, `top`, usage.

The commands ask the API of a proxy, over CONTROL_SOCKET or by URL and token, and share no code with
the part that serves. `run` is the command; `add_commands` declares the arguments of all.
"""

from tessel_proxy.console.arguments import COMMANDS, add_commands
from tessel_proxy.console.client import Client
from tessel_proxy.console.commands import print_acted, run
from tessel_proxy.console.place import ConsoleError, Place, WrongPlaceError, place_of
from tessel_proxy.console.printing import Screen

__all__ = [
    "COMMANDS",
    "Client",
    "ConsoleError",
    "Place",
    "Screen",
    "WrongPlaceError",
    "add_commands",
    "place_of",
    "print_acted",
    "run",
]
