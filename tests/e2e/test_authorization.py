"""Only devices with a valid token use the proxy, and devices use only a trusted proxy.

The first refusal of a kind is logged at once, and further ones within 10 s in one line. So the
scenarios that look at refusals in the log come first.
"""

from lab.waiting import eventually

WRONG_TOKEN = "fedcba9876543210fedcba9876543210"


def test_a_proxy_with_an_untrusted_certificate_receives_nothing(deployment, device, watch):
    done = device.run("get", deployment.far.url(), PROXY_CERT_FILE=deployment.target_authority)

    assert done.exit_code == 1, done
    assert "unable to verify the first certificate" in done.stderr
    assert watch.tunnels == []
    assert watch.log.events("tunnel_refused") == []  # no token came
    assert watch.visits(deployment.far, "http") == 0


def test_a_wrong_token_is_logged_as_refused_and_not_shown(deployment, watch):
    deployment.run("get.py", deployment.far.url(), PROXY_TOKEN=WRONG_TOKEN)

    eventually(lambda: watch.log.events("tunnel_refused"))  # the device may end before that
    assert WRONG_TOKEN not in deployment.proxy_log_text()


def test_a_wrong_token_opens_nothing(deployment, device, watch):
    done = device.run("get", deployment.far.url(), PROXY_TOKEN=WRONG_TOKEN)

    assert done.exit_code == 1, done
    assert "Authorization failed." in done.stderr
    assert watch.tunnels == []
    assert watch.visits(deployment.far, "http") == 0
    assert WRONG_TOKEN not in deployment.proxy_log_text()


def test_without_the_token_service_nothing_opens_until_it_is_back(deployment, device, watch):
    deployment.stop_token_service()
    try:
        refused = device.run("get", deployment.far.url())
    finally:
        deployment.start_token_service()
    assert refused.exit_code == 1, refused
    assert "cannot check the token now" in refused.stderr
    assert watch.tunnels == []
    assert watch.visits(deployment.far, "http") == 0

    done = device.run("get", deployment.far.url())
    assert done.exit_code == 0, done
    assert len(watch.tunnels) == 1
    assert watch.visits(deployment.far, "http") == 1
