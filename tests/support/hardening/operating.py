"""An operator of a proxy process, who uses its API over the admin port or the control socket."""

import json
import time
import urllib.error
import urllib.request

import jsonschema

from lab.waiting import eventually
from tessel_proxy.console import Client, Place
from tessel_proxy.fleet.notices import Confirmations, RuleAdded, RuleRemoved, TunnelsEnded
from tessel_proxy.monitoring.api.routes import PREFIX, ROUTES

TOKEN = "an-operators-token"


def tell(path, notice):
    """Add or remove a rule, or do what the notice says, over a control socket."""
    client = Client(Place(path))
    match notice:
        case RuleAdded(rule):
            names = ("account", "device", "address", "until_at", "reason")
            answer = client.post("refused", **{name: getattr(rule, name) for name in names})
        case RuleRemoved(rule_id):
            answer = client.delete(f"refused/{rule_id}")
        case TunnelsEnded(account, device, reason):
            answer = client.post("end", account=account, device=device, reason=reason)
    return Confirmations(tuple(answer["confirmed"]), tuple(answer["missing"]))


class Operator:
    """Sends requests to the admin port of a proxy; each answer must fit the OpenAPI document."""

    def __init__(self, proxy, token=TOKEN):
        (admin,) = eventually(lambda: proxy.log.events("admin_listening"))
        self.address = ("127.0.0.1", admin["port"])
        self.url = f"http://127.0.0.1:{admin['port']}"
        self._token = token
        self._document = self.get("openapi.json")

    def get(self, resource):
        return self.send("GET", resource)

    def post(self, resource, **body):
        return self.send("POST", resource, body)

    def delete(self, resource):
        return self.send("DELETE", resource)

    def send(self, method, resource, body=None):
        """Return the answer; raises HTTPError for one that is an error."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + PREFIX + resource, data, method=method)
        request.add_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=20) as response:
            answer = json.loads(response.read())
        if resource != "openapi.json":
            self._fits(method, resource, answer)
        return answer

    def refused(self, method, resource, body=None):
        """Return status and code of an answer that is an error."""
        try:
            self.send(method, resource, body)
        except urllib.error.HTTPError as error:
            said = json.loads(error.read())
            self._validate("Error", said)
            return error.code, said["error"]["message"]
        raise AssertionError(f"{method} {resource} was allowed")

    def _fits(self, method, resource, answer):
        segments = resource.partition("?")[0].split("/")
        (route,) = [
            each
            for each in ROUTES
            if each.method == method and each.arguments(segments) is not None
        ]
        self._validate(route.answer, answer)

    def _validate(self, name, value):
        schema = {**self._document, "$ref": f"#/components/schemas/{name}"}
        jsonschema.Draft202012Validator(schema).validate(value)

    def events(self, topics, seconds=3.0):
        """Yield names and values of events for some seconds."""
        request = urllib.request.Request(f"{self.url}{PREFIX}events?topics={topics}")
        request.add_header("Authorization", f"Bearer {self._token}")
        until = time.monotonic() + seconds
        with urllib.request.urlopen(request, timeout=seconds) as stream:
            name = None
            while time.monotonic() < until:
                line = stream.readline().decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))
