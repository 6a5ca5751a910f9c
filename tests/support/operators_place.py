"""A proxy in memory with one tunnel, and the operator's API on a real port."""

import json
import urllib.error
import urllib.request

import jsonschema
from prometheus_client import CollectorRegistry
from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from support.proxy_in_memory import Stage
from tessel_proxy.fleet.notices import Confirmations
from tessel_proxy.monitoring.admin import Operator, add_operator, admin_site
from tessel_proxy.monitoring.api import Access, Audit, Desk, EventStreams, OperatorApi
from tessel_proxy.monitoring.api.desk import Engine
from tessel_proxy.monitoring.api.routes import PREFIX, ROUTES
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.monitoring.readiness import Readiness
from tessel_proxy.operations import Spread, UsageError
from tessel_proxy.operations.happenings import Happenings
from tessel_proxy.operations.history import History
from tessel_proxy.operations.inventory import Inventory, Process
from tessel_proxy.operations.process import ProcessOperations
from tessel_proxy.operations.usage import UsageMeter

NOW = 1_796_000_000.0
TOKEN = "0123456789abcdef"
FEATURES = ("device/1", "reason/1", "message/1", "goaway/1", "retry/1")


class Rules:
    """Refusals that are kept in a list."""

    def __init__(self):
        self.all = {}
        self.error = None

    async def refuse(self, rule):
        if self.error:
            raise self.error
        self.all[rule.id] = rule
        return Spread(("a",), (), True)

    async def allow(self, rule_id):
        return Spread(("a",), (), True) if self.all.pop(rule_id, None) else None

    def rules(self):
        return list(self.all.values())


class Place:
    """A proxy with one device's tunnel, and its admin port."""

    def __init__(self):
        self.stage = Stage()
        self.ledger = Ledger()
        self.happenings = Happenings(self.ledger, lambda: NOW)
        self.record = self.stage.record
        self.record.witness = self.happenings
        self.happenings.tunnel_opened(self.record)
        clock = self.stage.clock
        meter = UsageMeter(self.ledger)
        self.happenings.closed = meter.closed
        self.inventory = Inventory(
            Process("host-1-abc", "host", "proxy", NOW),
            self.ledger,
            self.stage.shared.tunnels,
            self.stage.limits,
            self.stage.config,
            self.happenings,
            clock,
            lambda: NOW,
        )
        self.history = History(meter, self.happenings, clock, lambda: NOW)
        self.drained = []
        readiness = Readiness(clock, lambda: True)
        self.operations = ProcessOperations(
            self.inventory,
            self.history,
            lambda: readiness.obstacles,
            lambda: self.drained.append(True),
            lambda: 0.5,
        )
        self.published, self.error = [], None
        self.rules = Rules()
        self.usage = None
        self.upgraded = None
        desk = Desk(
            answers=self.operations,
            publish=self._publish,
            refusals=self.rules,
            read_usage=self._read_usage,
            wall_time=lambda: NOW,
            engine=Engine("valkey://engine", lambda: True),
            upgrade=self._upgrade,
            let_others_run=lambda: deferLater(reactor, 0),
        )
        self.events = EventStreams(desk, reactor)
        access = Access(TOKEN, reactor.seconds, lambda: NOW)
        self.site = site = admin_site(readiness, CollectorRegistry())
        add_operator(
            site,
            Operator(
                lambda nothing: OperatorApi(desk, access, self.events, nothing, Audit()), access
            ),
        )
        self.port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port.getHost().port}"

    async def _publish(self, notice):
        if self.error:
            raise self.error
        self.published.append(notice)
        return Confirmations(("a",), ("b",))

    async def _read_usage(self, question):
        if self.usage is None:
            raise UsageError("usage is not kept: set USAGE_FILE, or FLEET_URL")
        return self.usage

    async def _upgrade(self):
        return self.upgraded

    def _send(self, method, resource, body, headers):
        data = None if body is None else json.dumps(body).encode()
        path = resource if resource.startswith("/") else PREFIX + resource
        request = urllib.request.Request(self.url + path, data, method=method)
        for name, value in headers.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, dict(response.headers), response.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    async def send(self, method, resource, body=None, **headers):
        headers = headers or {"Authorization": f"Bearer {TOKEN}"}
        return await deferToThread(self._send, method, resource, body, headers)

    async def ask(self, method, resource, body=None):
        """Return status and JSON of an answer, which fits the document."""
        status, headers, text = await self.send(method, resource, body)
        assert headers["Content-Type"] == "application/json"
        answer = json.loads(text)
        name = "Error" if status >= 400 else route_of(method, resource).answer
        document = json.loads((await self.send("GET", "openapi.json"))[2])
        schema = {**document, "$ref": f"#/components/schemas/{name}"}
        jsonschema.Draft202012Validator(schema).validate(answer)
        return status, answer

    async def stop(self):
        self.events.stop()
        await maybeDeferred(self.port.stopListening)


def route_of(method, resource):
    segments = resource.partition("?")[0].split("/")
    (found,) = [
        each for each in ROUTES if each.method == method and each.arguments(segments) is not None
    ]
    return found
