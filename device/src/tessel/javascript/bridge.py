"""Answers the calls of a JavaScript program with the board's network."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping

from tessel.javascript import call_fields
from tessel.javascript.channel import BadCallError, Channel
from tessel.javascript.connection import Connection
from tessel.javascript.datagrams import ClosingPorts, DatagramPort
from tessel.javascript.frames import Fields
from tessel.javascript.names import LookUp, family
from tessel.javascript.server import Server
from tessel.javascript.tls_fields import tls_options
from tessel.javascript.wifi import Wifi
from tessel.network.interface import BACKLOG, Target
from tessel.node.base.runtime import Runtime

HIGHEST_BACKLOG = 2**31 - 1
LATE_CALLS = frozenset(
    ("destroy", "end", "close", "timeout", "nodelay", "keepalive", "reset", "send", "option")
)
"""Calls that may be on their way while the device closes their object."""


class Bridge:
    """Makes the objects that a program asks for on the channel."""

    def __init__(
        self,
        runtime: Runtime,
        environ: MutableMapping[str, str],
        broken: Callable[[str], None],
        signal_handled: Callable[[], None] = lambda: None,
    ) -> None:
        """Create a bridge.

        Args:
            runtime: the board's.
            environ: the board's environment, which follows the program's `process.env`.
            broken: called with the reason when the program's process has sent what is not allowed.
            signal_handled: called when the program has a listener for a signal that it got.

        """
        self._runtime = runtime
        self._environ = environ
        self._signal_handled = signal_handled
        self._closing_ports = ClosingPorts()
        self._has_wifi = False
        self.channel = Channel(self._create, broken)

    def _create(self, object_id: int, fields: Fields, data: bytes) -> None:
        del data
        match fields.get("op"):
            case "connect":
                self._connect(object_id, fields)
            case "listen":
                self._listen(object_id, fields)
            case "lookup":
                self._look_up(object_id, fields)
            case "bind":
                self._bind(object_id, fields)
            case "wifi":
                self._begin_wifi(object_id)
            case "env":
                self._set_environment(fields)
            case "signal":
                self._signal_handled()
            case other if other in LATE_CALLS:
                pass  # the object was closed while the call was on its way
            case other:
                raise BadCallError(f"the device has no call {other!r}")

    def _connect(self, object_id: int, fields: Fields) -> None:
        target = _target(fields)
        proxy = call_fields.flag(fields, "proxy", default=True)
        tls = fields.get("tls")
        connection = Connection(self.channel, self._runtime, object_id)
        at = call_fields.text_or_none(fields, "at")
        self.channel.add(object_id, connection, f"socket to {target}", at)
        network, watcher = self._runtime.network, connection.link
        if tls is None:
            encrypted = call_fields.flag(fields, "encrypted")
            attempt = network.connect(
                target, connection.protocol, proxy=proxy, encrypted=encrypted, watcher=watcher
            )
        else:
            options = tls_options(tls)
            attempt = network.connect_tls(
                target, connection.protocol, options, proxy=proxy, watcher=watcher
            )
        connection.begin(attempt)

    def _listen(self, object_id: int, fields: Fields) -> None:
        server = Server(self.channel, self._runtime, object_id)
        port, at = call_fields.port(fields), call_fields.text_or_none(fields, "at")
        self.channel.add(object_id, server, f"server on port {port}", at)
        backlog = call_fields.whole(fields, "backlog", HIGHEST_BACKLOG) or BACKLOG
        server.listen(port, call_fields.text_or_none(fields, "host") or "", backlog)

    def _look_up(self, object_id: int, fields: Fields) -> None:
        look_up = LookUp(self.channel, self._runtime, object_id)
        self.channel.add(object_id, look_up, f"look-up of {fields.get('name')}")
        look_up.begin(fields)

    def _bind(self, object_id: int, fields: Fields) -> None:
        port = DatagramPort(self.channel, self._runtime, object_id, self._closing_ports)
        self.channel.add(object_id, port, "UDP socket")
        port.bind(fields)

    def _begin_wifi(self, object_id: int) -> None:
        if self._has_wifi:
            raise BadCallError("wifi: a board has one Wi-Fi, and it was begun already")
        self._has_wifi = True
        wifi = Wifi(self.channel, self._runtime, object_id)
        self.channel.add(object_id, wifi)
        wifi.begin()

    def _set_environment(self, fields: Fields) -> None:
        """Set the variables that the program has changed; None: it has removed the variable."""
        changes = fields.get("changes")
        if not isinstance(changes, dict):
            raise BadCallError(f"env: changes is {changes!r}; allowed: an object")
        for name, value in changes.items():
            if value is None:
                self._environ.pop(name, None)
            else:
                self._environ[name] = str(value)


def _target(fields: Fields) -> Target:
    return Target(call_fields.text(fields, "host"), call_fields.port(fields), family(fields))
