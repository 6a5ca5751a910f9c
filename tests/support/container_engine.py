"""The container engine of this machine, for tests that are skipped without it."""

import docker
import pytest
from docker.errors import DockerException


def _found():
    try:
        engine = docker.from_env()
        engine.ping()
    except DockerException:
        return None
    return engine


ENGINE = _found()
needs_engine = pytest.mark.skipif(ENGINE is None, reason="there is no container engine")


def make_certificate(folder, name):
    """Write a certificate for `name` into a folder of the host, with the proxy's image."""
    ENGINE.containers.run(
        "tessel-proxy",
        ["make-cert", "--out", "/out", name],
        volumes={str(folder): {"bind": "/out"}},
        network_mode="none",
        remove=True,
    )
