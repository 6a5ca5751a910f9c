"""A tunnel that is idle or lost is opened again."""

from lab.waiting import eventually

IDLE_MS = 300
PAUSE_MS = 2000


def test_an_idle_tunnel_closes_and_is_opened_again_when_needed(deployment, device, watch):
    done = device.run("idle", deployment.far.url(), PAUSE_MS, PROXY_IDLE=IDLE_MS)

    assert done.exit_code == 0, done
    assert done.stdout.count("Hello from the far site") == 2
    first, second = watch.tunnels
    (closed,) = watch.log.events("tunnel_closed", tunnel=first["tunnel"])
    assert closed["time"] < second["time"]
    assert (first["resumed"], second["resumed"]) == (False, True)
    assert len(watch.substreams(2)) == 2


def test_a_download_that_the_proxys_crash_cuts_is_an_error_and_the_next_socket_works(
    deployment, device, watch
):
    far = deployment.far
    program = device.launch("interrupted", far.host, far.ports["trickle"], far.ports["echo"])
    try:
        eventually(lambda: "receiving" in program.stdout, 30, lambda: program.stderr)
        deployment.kill_proxy()
        try:
            eventually(lambda: "close" in program.stdout, 30, lambda: program.stdout)
        finally:
            deployment.start_proxy()
        assert program.wait(60) == 0, program.stderr
    finally:
        program.kill()
    assert program.stdout.splitlines() == [
        "receiving",
        "error ECONNRESET",
        "close",
        "echo again",
    ]
    assert watch.visits(far, "echo") == 1
