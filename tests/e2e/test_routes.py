"""Routes of connections, proved by the sites' counts and the proxy's log."""

import pytest

from lab.deployment.base import ACCOUNT, PROGRAM_SECONDS, finish
from lab.deployment.compose import ComposeDeployment

MARKER = "a-word-for-the-target-alone"


def test_an_http_page_comes_through_the_proxy(deployment, device, watch):
    done = device.run("get", deployment.far.url())

    assert done.exit_code == 0, done
    assert done.stdout.startswith("Hello from the far site, by http")
    (substream,) = watch.substreams(1)
    assert substream["kind"] == "net"
    assert substream["target"] == deployment.far.address("http")
    assert substream["account"] == ACCOUNT
    assert watch.visits(deployment.far, "http") == 1


@pytest.mark.parametrize("sample", ["ipcalf.js", "ipcalf.py"])
def test_the_originals_sample_without_a_change_prints_the_proxys_address(deployment, watch, sample):
    """The sample names its site itself, so the site has that name: only containers have names."""
    if not isinstance(deployment, ComposeDeployment):
        pytest.skip("on this machine, the site of the sample has no name")
    command = ["tessel", "run", f"examples/{sample}"]
    done = finish(deployment.start(command, deployment.device_settings()), PROGRAM_SECONDS)

    assert done.exit_code == 0, done
    (substream,) = watch.substreams(1)
    assert substream["target"] == "ipcalf.com:80"
    (proxy,) = deployment.counts(deployment.far)["http"]["connections"]
    assert done.stdout == f"{proxy}\n"


@pytest.mark.parametrize("settings", [{}, {"PROXY_TRUSTED": 1}], ids=["net", "tls"])
def test_a_socket_through_the_tunnel_reports_its_target_as_the_remote_address(
    deployment, device, settings
):
    service = "https" if settings else "http"
    done = device.run("remote", deployment.far.host, deployment.far.ports[service], **settings)

    assert done.exit_code == 0, done
    assert done.stdout == f"{deployment.far.host} {deployment.far.ports[service]}\n"


def test_an_https_page_comes_directly_by_default(deployment, device, watch):
    done = device.run("get", deployment.near.url(scheme="https"))

    assert done.exit_code == 0, done
    assert done.stdout.startswith("Hello from the near site, by https")
    assert watch.visits(deployment.near, "https") == 1
    assert watch.tunnels == []


def test_an_https_page_comes_through_a_trusted_proxy_which_does_the_tls(deployment, device, watch):
    done = device.run("get", deployment.far.url(scheme="https"), PROXY_TRUSTED=1)

    assert done.exit_code == 0, done
    assert done.stdout.startswith("Hello from the far site, by https")
    (substream,) = watch.substreams(1)
    assert substream["kind"] == "tls"
    assert watch.visits(deployment.far, "https") == 1


def https_with(deployment, device, **options):
    """Ask the far site for a page with these TLS options, with a trusted proxy."""
    url = deployment.far.url(scheme="https")
    done = device.run("get_with_options", url, device.spelled(options), PROXY_TRUSTED=1)
    assert done.exit_code == 0, done
    assert done.stdout.startswith("Hello from the far site, by https")


def test_tls_options_that_change_nothing_leave_the_tls_to_a_trusted_proxy(
    deployment, device, watch
):
    https_with(deployment, device, servername=deployment.far.host, alpn_protocols=["http/1.1"])

    (substream,) = watch.substreams(1)
    assert substream["kind"] == "tls"


def test_with_tls_options_of_its_own_a_program_does_its_tls_through_a_trusted_proxy(
    deployment, device, watch
):
    https_with(deployment, device, max_version="TLSv1.2")

    (substream,) = watch.substreams(1)
    assert substream["kind"] == "net"
    asked, _ = watch.relayed(deployment.far, "https")
    assert asked.startswith(b"\x16\x03")  # the device's ClientHello


def test_an_http_request_can_be_found_in_the_relayed_bytes(deployment, device, watch):
    """Without this test, the absence in the next one would prove nothing."""
    done = device.run("get", deployment.far.url(f"/say?text={MARKER}"))

    assert (done.exit_code, done.stdout) == (0, MARKER), done
    (substream,) = watch.substreams(1)
    asked, answered = watch.relayed(deployment.far, "http")
    assert MARKER.encode() in asked
    assert MARKER.encode() in answered
    assert len(asked) == substream["bytes_from_device"]
    assert len(answered) == substream["bytes_from_target"]


def test_a_request_with_end_to_end_tls_cannot_be_found_in_the_relayed_bytes(
    deployment, device, watch
):
    url = deployment.far.url(f"/say?text={MARKER}", "https")
    done = device.run("get", url, PROXY_TLS="end-to-end")

    assert (done.exit_code, done.stdout) == (0, MARKER), done
    (substream,) = watch.substreams(1)
    assert substream["kind"] == "net"
    asked, answered = watch.relayed(deployment.far, "https")
    assert MARKER.encode() not in asked
    assert MARKER.encode() not in answered
    # ... and that was all there was to read: the proxy relayed these bytes and no others
    assert len(asked) == substream["bytes_from_device"]
    assert len(answered) >= substream["bytes_from_target"]  # the device left before the last


def test_end_to_end_has_priority_over_a_trusted_proxy(deployment, device, watch):
    url = deployment.far.url(scheme="https")
    done = device.run("get", url, PROXY_TLS="end-to-end", PROXY_TRUSTED=1)

    assert done.exit_code == 0, done
    (substream,) = watch.substreams(1)
    assert substream["kind"] == "net"


def test_the_option_proxy_false_leads_around_the_proxy(deployment, device, watch):
    done = device.run("get", deployment.near.url(), "direct")

    assert done.exit_code == 0, done
    assert done.stdout.startswith("Hello from the near site, by http")
    assert watch.visits(deployment.near, "http") == 1
    assert watch.tunnels == []


def test_a_target_that_proxy_local_names_is_reached_around_the_proxy(deployment, device, watch):
    done = device.run(
        "get", deployment.near.url(), PROXY_LOCAL=f"other.invalid {deployment.near.host}"
    )

    assert done.exit_code == 0, done
    assert watch.visits(deployment.near, "http") == 1
    assert watch.tunnels == []


def test_a_target_that_proxy_local_does_not_name_is_reached_through_the_proxy(
    deployment, device, watch
):
    done = device.run("get", deployment.near.url(), PROXY_LOCAL="other.invalid")

    assert done.exit_code == 0, done
    (substream,) = watch.substreams(1)
    assert substream["target"] == deployment.near.address("http")
    assert watch.visits(deployment.near, "http") == 1
