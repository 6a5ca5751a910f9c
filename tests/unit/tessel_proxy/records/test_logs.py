from io import StringIO

import pytest
from twisted.internet.task import Clock
from twisted.logger import Logger

from tessel_proxy.auth import PluginAuthenticator
from tessel_service_kit.logs import LogFormat, LogLevel, observer


@pytest.mark.parametrize("form", LogFormat)
def test_a_token_is_in_no_record_of_a_check_that_broke(form):
    stream = StringIO()
    log = Logger("tessel_proxy.tunnel.session", observer=observer(stream, LogLevel.DEBUG, form))

    def validate(token):
        raise KeyError(token)

    check = PluginAuthenticator(validate, Clock(), 10).check("T0KEN")
    check.addErrback(lambda reason: log.failure("check failed", failure=reason))
    assert "check failed" in stream.getvalue()
    assert "T0KEN" not in stream.getvalue()
