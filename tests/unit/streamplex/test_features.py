"""Names of the extensions."""

from streamplex.features import (
    CREDIT,
    DEVICE,
    GOAWAY,
    HALFCLOSE,
    PING,
    REASON,
    RETRY,
    REUSE,
)


def test_the_features_are_named_as_on_the_wire():
    assert [REUSE, HALFCLOSE, RETRY, DEVICE] == ["reuse/1", "halfclose/1", "retry/1", "device/1"]
    assert REASON == "reason/1"
    assert GOAWAY == "goaway/1"
    assert PING == "ping/1"
    assert CREDIT == "credit/1"
