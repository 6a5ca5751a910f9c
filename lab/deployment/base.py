"""The interface of a deployment: the whole system as a scenario uses it, wherever it runs.

There are two target sites. The proxy reaches both. The device reaches the far site only through the
proxy, and the near site also directly. Scenarios check the counts of the sites and the log of the
proxy; they do not rely on the device for this.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lab.service_log import ServiceLog

TOKEN = "0123456789abcdef0123456789abcdef"  # the API key that the token service starts with
CLIENT = "tessel-proxy-dev:the-tessel-devenv"  # the proxy's credentials there, public since 2014
ACCOUNT = "tessel-dev"
PROGRAM_SECONDS = 60.0  # limit for a device program, unless a scenario has another one
SERVICE_SECONDS = 30.0  # limit for the start of a service


@dataclass(frozen=True, eq=False)
class Site:
    """A target site: its host name for the device and the proxy, and its ports by service."""

    name: str
    host: str
    ports: Mapping[str, int]

    def address(self, service):
        return f"{self.host}:{self.ports[service]}"

    def url(self, path="/", scheme="http"):
        return f"{scheme}://{self.address(scheme)}{path}"


@dataclass(frozen=True)
class Finished:
    """Exit code and output of a program on the device."""

    exit_code: int
    stdout: str
    stderr: str


class Running(Protocol):
    """A program on the device, which runs or has ended."""

    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...
    @property
    def exit_code(self) -> int | None: ...
    def wait(self, within: float) -> int: ...
    def kill(self) -> None: ...


class Deployment(ABC):
    """The running services, and a device to run programs on."""

    far: Site
    near: Site
    proxy_address: tuple[str, int]  # as the device reaches it
    proxy_authority: str  # file on the device: certificate authority of the proxy
    target_authority: str  # file on the device: certificate authority of the sites
    radio = "cc3000-sim"  # the device's setting RADIO

    @abstractmethod
    def start(self, command: Sequence[str], settings: Mapping[str, str]) -> Running:
        """Run a command on the device, with these settings and no others."""

    @abstractmethod
    def program(self, name: str) -> str:
        """Return the path on the device of a program in tests/e2e/programs."""

    @abstractmethod
    def ask(self, site: Site, path: str):
        """Return the JSON at a path of the site's control port."""

    @abstractmethod
    def proxy_log_text(self) -> str:
        """Return the whole log of the proxy."""

    @abstractmethod
    def kill_proxy(self) -> None:
        """Kill the proxy, without a clean end."""

    @abstractmethod
    def start_proxy(self) -> None:
        """Start the killed proxy again, with the same address."""

    @abstractmethod
    def stop_token_service(self) -> None: ...

    @abstractmethod
    def start_token_service(self) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Stop everything, and remove all files, containers and volumes."""

    def device_settings(self):
        """Return the settings with which a device uses the proxy and trusts the sites."""
        host, port = self.proxy_address
        return {
            "PROXY_HOST": host,
            "PROXY_PORT": str(port),
            "PROXY_TOKEN": TOKEN,
            "PROXY_CERT_FILE": self.proxy_authority,
            # the default includes loopback and private networks, and both sites are there
            "PROXY_LOCAL": "local.invalid",
            "SSL_CERT_FILE": self.target_authority,
            "RADIO": self.radio,
        }

    def launch(self, program, *args, **settings):
        """Start a program of tests/e2e/programs; a setting that is None is left out."""
        return self.start(
            ["tessel", "run", self.program(program), *map(str, args)], self._with(settings)
        )

    def run(self, program, *args, within=PROGRAM_SECONDS, **settings):
        """Run a program of tests/e2e/programs to its end."""
        return finish(self.launch(program, *args, **settings), within)

    def launch_python(self, program, *args):
        """Start a Python program that is a whole device by itself, without `tessel run`."""
        command = ["python", self.program(program), *map(str, args)]
        return self.start(command, self.device_settings())

    def _with(self, settings):
        merged = {**self.device_settings(), **settings}
        return {name: str(value) for name, value in merged.items() if value is not None}

    def counts(self, site):
        """Return the site's counts by service."""
        return self.ask(site, "/counts")["services"]

    def recorded(self, site, service):
        """Return the recorded bytes of a service, by connection."""
        return self.ask(site, f"/recorded?service={service}")

    def proxy_log(self):
        return ServiceLog.parsed(self.proxy_log_text())


def finish(running, within):
    """Wait for a program's end, for `within` seconds at most."""
    exit_code = running.wait(within)
    return Finished(exit_code, running.stdout, running.stderr)
