"""The whole system as a scenario sees it, wherever it runs.

There are two target sites. The proxy reaches both; the device is meant to reach the far one by the
proxy alone, and the near one directly too. What happened is told by the sites' counts and by the
proxy's log, never by the device.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lab.service_log import ServiceLog

TOKEN = "0123456789abcdef0123456789abcdef"  # the API key the token service comes up with
CLIENT = "tessel-proxy-dev:the-tessel-devenv"  # the proxy's credentials there, public since 2014
ACCOUNT = "tessel-dev"
PROGRAM_SECONDS = 60.0  # what a device program may take, if a scenario does not say
SERVICE_SECONDS = 30.0  # what a service may take to start


@dataclass(frozen=True, eq=False)
class Site:
    """A target site by the name under which the device and the proxy know it."""

    name: str
    host: str
    ports: Mapping[str, int]

    def address(self, service):
        return f"{self.host}:{self.ports[service]}"

    def url(self, path="/", scheme="http"):
        return f"{scheme}://{self.address(scheme)}{path}"


@dataclass(frozen=True)
class Finished:
    """How a program on the device ended."""

    exit_code: int
    stdout: str
    stderr: str


class Running(Protocol):
    """A program that runs on the device."""

    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...
    @property
    def exit_code(self) -> int | None: ...
    def wait(self, within: float) -> int: ...
    def kill(self) -> None: ...


class Deployment(ABC):
    """The services, started; and a device to run programs on."""

    far: Site
    near: Site
    proxy_address: tuple[str, int]  # as the device names it
    proxy_authority: str  # files on the device: whom to trust for the proxy
    target_authority: str  # and for the sites
    radio = "cc3000-sim"  # what the device has

    @abstractmethod
    def start(self, command: Sequence[str], settings: Mapping[str, str]) -> Running:
        """Run a command on the device, with these settings and no others."""

    @abstractmethod
    def program(self, name: str) -> str:
        """Where the device finds that program of the scenarios."""

    @abstractmethod
    def ask(self, site: Site, path: str):
        """What the site's control port says."""

    @abstractmethod
    def proxy_log_text(self) -> str:
        """All that the proxy has logged."""

    @abstractmethod
    def kill_proxy(self) -> None:
        """End the proxy as a crash would."""

    @abstractmethod
    def start_proxy(self) -> None:
        """Start the proxy that was killed, with the address it had."""

    @abstractmethod
    def stop_token_service(self) -> None: ...

    @abstractmethod
    def start_token_service(self) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Stop everything, and leave nothing behind."""

    def device_settings(self):
        """What a device needs to use the proxy, and to trust the sites."""
        host, port = self.proxy_address
        return {
            "PROXY_HOST": host,
            "PROXY_PORT": str(port),
            "PROXY_TOKEN": TOKEN,
            "PROXY_CERT_FILE": self.proxy_authority,
            # the defaults hold all loopback and private networks, where both sites are
            "PROXY_LOCAL": "local.invalid",
            "SSL_CERT_FILE": self.target_authority,
            "RADIO": self.radio,
        }

    def launch(self, program, *args, **settings):
        """Start a program of the scenarios; a setting that is None is left out."""
        return self.start(
            ["tessel", "run", self.program(program), *map(str, args)], self._with(settings)
        )

    def run(self, program, *args, within=PROGRAM_SECONDS, **settings):
        """Run a program of the scenarios to its end."""
        return finish(self.launch(program, *args, **settings), within)

    def launch_python(self, program, *args):
        """Start a program that is a device by itself, on Python alone."""
        command = ["python", self.program(program), *map(str, args)]
        return self.start(command, self.device_settings())

    def _with(self, settings):
        merged = {**self.device_settings(), **settings}
        return {name: str(value) for name, value in merged.items() if value is not None}

    def counts(self, site):
        """The site's counts by service."""
        return self.ask(site, "/counts")["services"]

    def recorded(self, site, service):
        """What passed through the port of that service, by connection."""
        return self.ask(site, f"/recorded?service={service}")

    def proxy_log(self):
        return ServiceLog.parsed(self.proxy_log_text())


def finish(running, within):
    exit_code = running.wait(within)
    return Finished(exit_code, running.stdout, running.stderr)
