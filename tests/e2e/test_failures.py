"""Targets and devices that fail."""

from lab.waiting import eventually

UNUSED_PORT = 1  # tcpmux, which nobody serves
DOWNLOADS = 50


def test_a_target_that_refuses_is_an_error_with_nodes_code(deployment, device, watch):
    done = device.run("events", deployment.far.host, UNUSED_PORT)

    assert done.exit_code == 0, done
    error, close = done.stdout.splitlines()
    assert error.startswith("error ECONNREFUSED connect ECONNREFUSED")
    assert close == "close"
    (substream,) = watch.substreams(1)
    assert substream["outcome"] == "connect_failed"


def test_a_name_that_does_not_resolve_is_an_error_with_nodes_code(deployment, device, watch):
    done = device.run("events", "nobody.invalid", 80)

    assert done.exit_code == 0, done
    assert done.stdout.splitlines() == [
        "error ENOTFOUND getaddrinfo ENOTFOUND nobody.invalid",
        "close",
    ]


def test_a_target_that_resets_is_an_error_and_not_an_end(deployment, device, watch):
    host, port = deployment.far.host, deployment.far.ports["reset"]
    done = device.run("events", host, port)

    assert done.exit_code == 0, done
    assert done.stdout.splitlines() == [
        "connect",
        "error ECONNRESET read ECONNRESET",
        "close",
    ]
    assert watch.visits(deployment.far, "reset") == 1


def test_a_device_that_never_sends_end_leaves_nothing_open(deployment, watch):
    """The original device does the same; the proxy frees a substream after its `close`."""
    device = deployment.launch_python(
        "never_ends.py", deployment.far.host, deployment.far.ports["source"], DOWNLOADS
    )
    try:
        told = f"{DOWNLOADS} downloads, and never an end"
        eventually(lambda: told in device.stdout, 60, lambda: device.stdout + device.stderr)
        assert len(watch.substreams(DOWNLOADS)) == DOWNLOADS
        assert watch.log.events("tunnel_closed", tunnel=watch.tunnels[0]["tunnel"]) == []
        eventually(lambda: deployment.counts(deployment.far)["source"]["open"] == 0)
    finally:
        device.kill()
    assert watch.visits(deployment.far, "source") == DOWNLOADS
