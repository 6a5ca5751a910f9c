"""Large transfers, many sockets, and half-closed connections."""

from lab.target_site.bodies import sha256_of

LARGE = {"host": 100_000_000, "cc3000-sim": 10_000_000}  # bytes; the chip carries less
TRANSFER_SECONDS = 120
MOST_UNREAD = 8_000_000  # of 200 MB
SOCKETS = 50


def test_a_large_download_arrives_unchanged(deployment, device, watch):
    large = LARGE[deployment.radio]
    host, port = deployment.far.host, deployment.far.ports["source"]
    done = device.run("download", host, port, large, within=TRANSFER_SECONDS)

    assert done.exit_code == 0, done
    assert done.stdout.split() == [str(large), sha256_of(large)]
    (substream,) = watch.substreams(1)
    assert substream["bytes_from_target"] == large


def test_a_large_upload_arrives_unchanged(deployment, device, watch):
    large = LARGE[deployment.radio]
    host, port = deployment.far.host, deployment.far.ports["count"]
    done = device.run("upload", host, port, large, within=TRANSFER_SECONDS)

    assert done.exit_code == 0, done
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert told["counted"] == told["sent"]
    assert int(told["waited"]) > 0, "back pressure never reached the program"
    (substream,) = watch.substreams(1)
    assert substream["bytes_from_device"] == large


def test_a_socket_that_is_not_read_blocks_no_other_and_closes_at_once(deployment, device, watch):
    host, port = deployment.far.host, deployment.far.ports["source"]
    done = device.run("stalled", host, port, 20_000_000, within=TRANSFER_SECONDS)

    assert done.exit_code == 0, done
    assert done.stdout.splitlines() == ["the other got 20000000", "left quietly"]
    other, stalled = sorted(watch.substreams(2), key=lambda each: each["outcome"])
    assert (other["outcome"], stalled["outcome"]) == ("ended", "left_by_device")
    assert stalled["bytes_from_target"] < MOST_UNREAD


def test_many_sockets_at_once_share_one_tunnel(deployment, device, watch):
    host, port = deployment.far.host, deployment.far.ports["echo"]
    done = device.run("many", host, port, SOCKETS)

    assert done.exit_code == 0, done
    assert done.stdout.splitlines() == ["all stand", "all heard their own word"]
    assert len(watch.substreams(SOCKETS)) == SOCKETS
    assert len(watch.tunnels) == 1
    assert deployment.counts(deployment.far)["echo"]["most_open"] >= SOCKETS


def test_a_target_answers_after_the_device_has_ended(deployment, device, watch):
    host, port = deployment.far.host, deployment.far.ports["count"]
    done = device.run("upload", host, port, 5)

    assert done.exit_code == 0, done
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert told["counted"] == told["sent"]


def test_a_device_can_send_after_the_target_has_ended(deployment, device, watch):
    host, port = deployment.far.host, deployment.far.ports["farewell"]
    done = device.run("farewell", host, port, "said after the end")

    assert done.exit_code == 0, done
    assert done.stdout.splitlines() == ["heard farewell", "end", "close"]
    watch.substreams(1)
    heard, _ = watch.relayed(deployment.far, "farewell")
    assert heard == b"said after the end"
