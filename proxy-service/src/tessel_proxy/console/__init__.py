"""The commands by which an operator sees and steers running proxies: tables, `top`, usage.

The commands ask the API of a proxy, over CONTROL_SOCKET or by URL and token, and share no code with
the part that serves. `run` is the command; `add_commands` declares the arguments of all.
"""

from tessel_proxy.console.arguments import COMMANDS, add_commands
from tessel_proxy.console.client import ConsoleError
from tessel_proxy.console.commands import Screen, run

__all__ = ["COMMANDS", "ConsoleError", "Screen", "add_commands", "run"]
