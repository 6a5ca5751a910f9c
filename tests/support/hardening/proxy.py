"""The tessel-proxy command as a process, with methods to control and observe it."""

import re
import signal
import sys
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.processes import Process
from lab.service_log import ServiceLog
from lab.waiting import eventually
from support.hardening.growth import Held

COMMAND = [Path(sys.executable).with_name("tessel-proxy")]
TOKEN = "DEV-CRED"
LOGGED_S = 5.0  # until a line is written, also on a busy machine
START_SECONDS = 20.0
# No log line may have a higher level than this during attacks.
OUR_FAULT = ("error", "critical")


class Proxy:
    """A running `tessel-proxy`. If it is started again, it has the same port."""

    def __init__(self, folder, authority, settings, command=COMMAND):
        self._folder = folder
        self._command = command
        self.certificate_file, self.key_file = folder / "cert.pem", folder / "key.pem"
        self.issue(authority)
        self._settings = {
            "HOST": "127.0.0.1",
            "CERT_FILE": str(self.certificate_file),
            "KEY_FILE": str(self.key_file),
            "LOG_FORMAT": "json",
            **settings,
        }
        self._listening_before = 0  # lines of former starts
        self.expected_faults = []  # names of events
        self.port = 0
        self.start()

    def issue(self, authority):
        """Replace the certificate in the files that the proxy reads."""
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(self.key_file)
        issued.cert_chain_pems[0].write_to_path(self.certificate_file)

    def start(self):
        environ = {**self._settings, "PORT": str(self.port)}
        if self.port:
            self._listening_before = len(self.log.events("listening"))
        self.process = Process(self._command, environ, self._folder, "tessel-proxy")
        listening = eventually(self._listening, START_SECONDS, lambda: self.process.stderr)
        self.port = listening[0]["port"]
        self.held_at_first = self.held

    def _listening(self):
        assert self.process.exit_code is None, self.process.stderr
        return self.log.events("listening")[self._listening_before :]

    @property
    def log(self):
        return ServiceLog.parsed(self.process.stderr)

    def metric(self, sample):
        """Return the value of a sample of /metrics; needs ADMIN_PORT."""
        (admin,) = self.log.events("admin_listening")
        with urllib.request.urlopen(f"http://127.0.0.1:{admin['port']}/metrics", timeout=5) as it:
            text = it.read().decode()
        found = re.search(rf"^{re.escape('tessel_proxy_' + sample)} (.+)$", text, re.MULTILINE)
        return float(found[1])

    @property
    def held(self):
        return Held.by(self.process.id)

    @property
    def alive(self):
        return self.process.exit_code is None

    def kill(self):
        self.process.kill()

    def reload(self):
        self.process.signal(signal.SIGHUP)

    def terminate(self):
        self.process.signal(signal.SIGTERM)

    def faults(self):
        """Return the log lines about internal errors."""
        return [line for line in self.log.lines if line["level"] in OUR_FAULT]

    def settles(self, descriptors, within=20.0):
        """Wait until the process has no more open descriptors than that."""
        eventually(
            lambda: self.held.descriptors <= descriptors,
            within,
            lambda: f"{self.held.descriptors} descriptors; {descriptors} are right",
        )


@contextmanager
def running_proxy(folder, authority, settings, **more):
    """Run a proxy, and check at the end that its log has no internal errors."""
    proxy = Proxy(folder, authority, settings, **more)
    try:
        yield proxy
        with suppress(TimeoutError):  # lines are gathered for some time before they are written
            eventually(lambda: len(proxy.faults()) >= len(proxy.expected_faults), LOGGED_S)
        assert [line["event"] for line in proxy.faults()] == proxy.expected_faults, proxy.faults()
    finally:
        proxy.process.stop()
