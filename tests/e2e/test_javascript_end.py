"""The end of a JavaScript program, as its proxy and its targets see it."""

import signal

import pytest

LAST_BYTES = 60_000  # within what the site records


@pytest.mark.parametrize("way", ["radio", "tunnel"])
def test_bytes_that_were_written_just_before_the_end_arrive(deployment, watch, way):
    # in containers, the device reaches the far site through the tunnel only
    site = deployment.near if way == "radio" else deployment.far
    settings = {"PROXY_TOKEN": None} if way == "radio" else {}
    done = deployment.run("last_words.js", site.host, site.ports["count"], LAST_BYTES, **settings)

    assert (done.exit_code, done.stderr) == (9, ""), done
    heard, _ = watch.relayed(site, "count")
    assert len(heard) == LAST_BYTES


def test_a_program_whose_process_is_killed_closes_its_tunnel_cleanly(deployment, watch):
    host, port = deployment.far.host, deployment.far.ports["source"]
    running = deployment.launch("killed.js", host, port)
    try:
        assert running.wait(30) == 128 + signal.SIGKILL
    finally:
        running.kill()
    assert running.stderr == "tessel: the program's process was ended by SIGKILL\n"
    (substream,) = watch.substreams(1)
    assert substream["outcome"] == "ended"
    (tunnel,) = watch.closed_tunnels()
    assert tunnel["message"].endswith("the device closed the connection")
