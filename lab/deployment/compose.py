"""The system in containers: docker-compose.yml, with a device that waits for programs.

Docker Compose builds, starts and removes the containers. Everything else uses the API of the
Docker Engine.
"""

import json
import shlex
import subprocess
from itertools import count
from pathlib import Path

import docker

from lab.deployment.base import SERVICE_SECONDS, Deployment, Site
from lab.processes import STOP_SECONDS
from lab.target_site.ports import FIXED_PORTS
from lab.waiting import eventually

ROOT = Path(__file__).parents[2]
FILES = [
    *("--project-directory", ROOT, "--file", ROOT / "docker-compose.yml"),
    *("--file", ROOT / "tests" / "e2e" / "compose.override.yml"),
]
DOWN = ("down", "--volumes", "--timeout", "5")
UP_SECONDS = 600  # includes building the images
DOWN_SECONDS = 120
END = b"=end-of-output="
MARKED = f'"$@"; code=$?; printf {END.decode()}; exit $code'
KILL_AFTER_SECONDS = 300  # more than any program takes; then it is ended
ASK = "import sys, urllib.request as r; sys.stdout.buffer.write(r.urlopen(sys.argv[1]).read())"


class ComposeDeployment(Deployment):
    """Containers that are started by the constructor and removed, with volumes, by `close`.

    Args:
        project: their Compose project. Two projects have nothing in common but the images.
    """

    far = Site("far", "far", FIXED_PORTS)
    near = Site("near", "near", FIXED_PORTS)
    proxy_address = ("proxy", 5005)
    proxy_authority = "/srv/authorities/proxy.pem"
    target_authority = "/srv/authorities/sites.pem"

    def __init__(self, project):
        self._project = project
        self._engine = docker.from_env()
        self._run_numbers = count(1)
        try:
            self._compose(*DOWN, within=DOWN_SECONDS)  # a killed run may have left containers
            self._compose("up", "--build", "--detach", within=UP_SECONDS)
            self._proxy = self._container("proxy")
            self._device = self._container("device")
            self._token_service = self._container("tokens")
            self._sites = {site.name: self._container(site.name) for site in (self.far, self.near)}
        except BaseException:
            self.close()
            raise

    def _container(self, service):
        label = "com.docker.compose"
        labels = [f"{label}.project={self._project}", f"{label}.service={service}"]
        (container,) = self._engine.containers.list(all=True, filters={"label": labels})
        return container

    def start(self, command, settings):
        return _Execution(self._device, command, settings, next(self._run_numbers))

    def program(self, name):
        return f"/srv/programs/{name}"

    def ask(self, site, path):
        url = f"http://127.0.0.1:{site.ports['control']}{path}"
        code, output = _run(self._sites[site.name], "python", "-c", ASK, url)
        if code != 0:
            raise RuntimeError(f"{url} at {site.name}: {output.decode()}")
        return json.loads(output)

    def proxy_log_text(self):
        return self._proxy.logs().decode()

    def kill_proxy(self):
        self._proxy.kill()
        self._proxy.wait(timeout=DOWN_SECONDS)

    def start_proxy(self):
        self._start(self._proxy)

    def stop_token_service(self):
        self._token_service.stop()

    def start_token_service(self):
        self._start(self._token_service)

    def _start(self, container):
        def healthy():
            container.reload()
            return container.health == "healthy"

        container.start()
        eventually(healthy, SERVICE_SECONDS, lambda: container.logs().decode())

    def close(self):
        self._compose(*DOWN, within=DOWN_SECONDS)
        self._engine.close()

    def _compose(self, *args, within):
        done = subprocess.run(
            ["docker", "compose", "--project-name", self._project, *FILES, *args],
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"docker compose {' '.join(args)}\n{done.stdout}{done.stderr}")


class _Execution:
    """A program in the device's container. Its output goes to files there, as it does locally.

    Docker can start a program in a container but not send it a signal. The process id is therefore
    written to a file.
    """

    def __init__(self, container, command, settings, number):
        self._container = container
        self._api = container.client.api
        self._files = f"/tmp/program-{number}"
        # `timeout` ends the program even if this process is gone
        bounded = shlex.join(["timeout", str(KILL_AFTER_SECONDS), *command])
        script = (
            f"echo $$ >{self._files}.pid; exec {bounded} >{self._files}.out 2>{self._files}.err"
        )
        created = self._api.exec_create(
            container.id, ["sh", "-c", script], environment=dict(settings)
        )
        self._id = created["Id"]
        self._api.exec_start(self._id, detach=True)

    @property
    def stdout(self):
        return self._read("out")

    @property
    def stderr(self):
        return self._read("err")

    def _read(self, kind):
        """Return the output so far."""
        _, output = _run(self._container, "cat", f"{self._files}.{kind}", stderr=False)
        return output.decode(errors="replace")

    @property
    def exit_code(self):
        """None while it runs."""
        return self._api.exec_inspect(self._id)["ExitCode"]

    def wait(self, within):
        try:
            self._ends(within)
        except TimeoutError:
            self.kill()
            raise
        return self.exit_code

    def kill(self):
        """End the program, if it still runs; `timeout` passes the signal on."""
        if self.exit_code is None:
            self._container.exec_run(["sh", "-c", f"kill $(cat {self._files}.pid)"])
            self._ends(STOP_SECONDS)

    def _ends(self, within):
        eventually(
            lambda: self.exit_code is not None,
            within,
            lambda: f"the program ends\n{self.stdout}{self.stderr}",
        )


def _run(container, *command, **options):
    """Run a short command that may be run twice; return its exit code and output.

    `exec_run` sometimes loses the output (issue 2042 of docker-py): a mark shows that it is whole.
    """

    def whole():
        done = container.exec_run(["sh", "-c", MARKED, "sh", *command], **options)
        return done.output.endswith(END) and done

    done = eventually(whole, what=lambda: f"the output of {command} in {container.name}")
    return done.exit_code, done.output.removesuffix(END)
