"""A tunnel that is idle or lost is opened again."""

from lab.waiting import eventually

IDLE_MS = 300
PAUSE_MS = 2000


def test_an_idle_tunnel_closes_and_is_opened_again_when_needed(deployment, watch):
    done = deployment.run("idle.py", deployment.far.url(), PAUSE_MS, PROXY_IDLE=IDLE_MS)

    assert done.exit_code == 0, done
    assert done.stdout.count("Hello from the far site") == 2
    first, second = watch.tunnels
    (closed,) = watch.log.events("tunnel_closed", tunnel=first["tunnel"])
    assert closed["time"] < second["time"]
    assert (first["resumed"], second["resumed"]) == (False, True)
    assert len(watch.substreams(2)) == 2


def test_a_download_that_the_proxys_crash_cuts_is_an_error_and_the_next_socket_works(
    deployment, watch
):
    far = deployment.far
    device = deployment.launch("interrupted.py", far.host, far.ports["trickle"], far.ports["echo"])
    try:
        eventually(lambda: "receiving" in device.stdout, 30, lambda: device.stderr)
        deployment.kill_proxy()
        try:
            eventually(lambda: "close" in device.stdout, 30, lambda: device.stdout)
        finally:
            deployment.start_proxy()
        assert device.wait(60) == 0, device.stderr
    finally:
        device.kill()
    assert device.stdout.splitlines() == [
        "receiving",
        "error ECONNRESET",
        "close",
        "echo again",
    ]
    assert watch.visits(far, "echo") == 1
