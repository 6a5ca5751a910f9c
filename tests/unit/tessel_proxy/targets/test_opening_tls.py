"""Targets under TLS: trusted authorities, the order of events, and the end."""

from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from streamplex.tx.endings import openssl_reasons
from support.memory_tunnels import Connection
from support.proxy_in_memory import PUBLIC, LoggedEvents, Stage
from tessel_proxy.relay.early_data import PAUSE_BYTES
from tessel_proxy.targets.target import LINGER_LOOK_S
from tessel_proxy.targets.trust import TargetTrust, _fault
from tessel_service_kit.settings import ConfigError

NAME = "target.example"
SECURED = [("lookup",), ("connect",), ("secureConnect",)]
WRONG_NAME = "ERR_TLS_CERT_ALTNAME_INVALID: Hostname/IP does not match certificate's altnames"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def trust(authority, tmp_path_factory):
    file = tmp_path_factory.mktemp("trust") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return TargetTrust(file)


@pytest.fixture
def stage(trust):
    return judging_by(trust)


def judging_by(trust):
    stage = Stage(trust=trust)
    stage.authenticate("halfclose/1")  # which says nothing about `tls`
    return stage


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


@implementer(IHandshakeListener)
class Site(Protocol):
    """The target's own protocol, above TLS."""

    secured = False
    data = b""
    lost = None

    def handshakeCompleted(self):
        self.secured = True

    def dataReceived(self, data):
        self.data += data

    def connectionLost(self, reason):
        self.lost = reason

    @property
    def server_name(self):
        return self.transport.getHandle().get_servername()


@implementer(IOpenSSLServerConnectionCreator)
class Shows:
    """A server's side of TLS with this certificate, and these besides."""

    def __init__(self, leaf, *chain, most=0):
        self._context = SSL.Context(SSL.TLS_METHOD)
        own = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
        self._context.use_certificate(own)
        self._context.use_privatekey(load_pem_private_key(leaf.private_key_pem.bytes(), None))
        for each in chain:
            self._context.add_extra_chain_cert(x509.load_pem_x509_certificate(each.bytes()))
        if most:
            self._context.set_min_proto_version(most)
            self._context.set_max_proto_version(most)

    def serverConnectionForTLS(self, _protocol):
        return SSL.Connection(self._context, None)


def hear_once(protocol):
    """Let the protocol read nothing behind what it gets first."""
    hear = protocol.dataReceived

    def hear_and_stop(data):
        hear(data)
        protocol.transport.pauseProducing()

    protocol.dataReceived = hear_and_stop


class Target:
    """A TLS target that has been dialled."""

    def __init__(self, stage, shows, host=NAME, early=lambda device: None, deaf=False):
        self.device = stage.connect(host, 443, "tls")
        early(self.device)
        if host == NAME:
            stage.resolver.answer(NAME, PUBLIC)
        self.site = Site()
        factory = Factory.forProtocol(lambda: self.site)
        factory.noisy = False
        above_tcp = TLSMemoryBIOFactory(shows, False, factory, stage.clock).buildProtocol(None)
        self.hear = above_tcp.dataReceived
        if deaf:
            hear_once(above_tcp)
        self.connection = Connection(stage.dial().protocol(), above_tcp, stage.clock)
        self.proxy_end, self.target_end = self.connection.ends
        self._stage = stage
        self.pump()

    def pump(self):
        for _ in range(4):  # what one connection brings, the other carries on
            self._stage.pump()
            self.connection.pump()


def leaf(authority, *names, **how):
    return authority.issue_cert(*(names or (NAME,)), **how)


def refusal(device):
    """The error's text, after which the device got `end` and `close`."""
    assert device.calls[-3:] == ["error", "read lost", "close"]
    return device.events[-2][1]


# --- who is trusted


def test_a_trusted_target_is_told_as_connected_and_then_as_secured(stage, authority):
    target = Target(stage, Shows(leaf(authority)))
    assert target.device.events == SECURED
    target.device.transport.write(b"ping")
    target.pump()
    assert target.site.data == b"ping"
    target.site.transport.write(b"pong")
    target.pump()
    assert target.device.data == b"pong"


def test_connect_is_told_before_the_handshake_and_data_waits_for_its_end(stage):
    device = stage.connect(NAME, 443, "tls")
    device.transport.write(b"GET /")
    stage.resolver.answer(NAME, PUBLIC)
    transport = stage.dial().stands()
    stage.pump()
    assert device.events == SECURED[:2]
    assert b"GET /" not in transport.value()
    assert transport.no_delay


def test_early_data_and_end_reach_the_target_after_the_handshake(stage, authority):
    def early(device):
        device.transport.write(b"GET /")
        device.transport.loseWriteConnection()

    target = Target(stage, Shows(leaf(authority)), early=early)
    assert target.site.data == b"GET /"
    assert target.site.lost.check(error.ConnectionDone)


@pytest.mark.parametrize("early", [0, 2 * PAUSE_BYTES])
def test_a_target_that_takes_nothing_pauses_its_device_whatever_came_early(stage, authority, early):
    def write_early(device):
        device.transport.write(bytes(early))
        stage.pump()

    target = Target(stage, Shows(leaf(authority)), early=write_early, deaf=True)
    target.device.transport.write(bytes(1_000_000))
    target.pump()
    assert len(target.proxy_end.sent) < early + 500_000
    target.target_end.protocol.dataReceived = target.hear
    target.target_end.resumeProducing()
    target.pump()
    assert len(target.site.data) == early + 1_000_000


def test_names_are_sent_to_the_target_and_addresses_are_not(stage, trust, authority):
    assert Target(stage, Shows(leaf(authority))).site.server_name == NAME.encode()
    other = Stage(trust=trust)
    other.authenticate()
    target = Target(other, Shows(leaf(authority, PUBLIC)), host=PUBLIC)
    assert target.device.events == SECURED[1:]
    assert target.site.server_name is None


def test_a_name_in_upper_case_and_with_a_dot_is_the_same_name(stage, authority):
    device = stage.connect("Target.EXAMPLE.", 443, "tls")
    assert list(stage.resolver.asked) == [NAME]
    assert not device.events


@pytest.mark.parametrize("name", ["elsewhere.example", PUBLIC, "sub.target.example"])
def test_a_certificate_for_another_name_is_refused(stage, authority, logged, name):
    target = Target(stage, Shows(leaf(authority, name)))
    assert refusal(target.device) == WRONG_NAME
    assert not target.site.secured
    (line,) = logged.named("substream_closed")
    assert (line["outcome"], line["kind"], line["address"]) == ("tls_failed", "tls", PUBLIC)


def test_a_certificate_for_another_address_is_refused(stage, authority):
    target = Target(stage, Shows(leaf(authority, "9.9.9.9", NAME)), host=PUBLIC)
    assert refusal(target.device) == WRONG_NAME


def test_a_certificate_without_names_is_refused(stage, authority):
    target = Target(stage, Shows(leaf(authority, "a@b.example")))
    assert refusal(target.device) == WRONG_NAME


def test_a_certificate_out_of_date_is_refused(stage, authority):
    past = datetime.now(UTC) - timedelta(days=9)
    old = leaf(authority, not_before=past, not_after=past + timedelta(days=1))
    target = Target(stage, Shows(old))
    assert refusal(target.device) == "CERT_HAS_EXPIRED: certificate has expired"


def test_a_certificate_that_nobody_vouches_for_is_refused_in_nodes_words(stage, trust):
    unknown = trustme.CA()
    between = unknown.create_child_ca()
    for shows, words in (
        (Shows(leaf(unknown)), "UNABLE_TO_VERIFY_LEAF_SIGNATURE: "),
        (Shows(leaf(unknown), unknown.cert_pem), "SELF_SIGNED_CERT_IN_CHAIN: "),
        (Shows(leaf(between), between.cert_pem), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "),
    ):
        stage = Stage(trust=trust)
        stage.authenticate()
        target = Target(stage, shows)
        assert refusal(target.device).startswith(words)
        assert not target.site.secured


def test_reasons_without_a_word_of_nodes_are_told_by_number():
    assert _fault(99, 0) == ("UNSPECIFIED", "certificate verification error 99")


def test_a_target_that_speaks_no_version_of_ours_is_refused(stage, authority):
    old = Shows(leaf(authority), most=SSL.TLS1_1_VERSION)
    target = Target(stage, old)
    assert refusal(target.device).startswith(f"connect EPROTO {PUBLIC}:443: ")


def test_a_target_that_does_not_speak_tls_is_refused(stage):
    device = stage.connect(NAME, 443, "tls")
    stage.resolver.answer(NAME, PUBLIC)
    transport = stage.dial().stands()
    transport.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    transport.lose(error.ConnectionDone())
    stage.pump()
    assert refusal(device).startswith(f"connect EPROTO {PUBLIC}:443: wrong version number")


def test_reasons_are_openssls_if_it_gives_any():
    assert openssl_reasons(SSL.Error([("SSL routines", "", "one"), ("x", "", "two")])) == "one, two"
    assert openssl_reasons(SSL.Error()) == ""
    assert openssl_reasons(SSL.SysCallError(-1, "Unexpected EOF")) == ""


# --- handshakes that do not come to an end


@pytest.mark.parametrize("reason", [error.ConnectionDone(), error.ConnectionLost()])
def test_a_target_that_goes_during_the_handshake_is_a_reset(stage, reason):
    device = stage.connect(NAME, 443, "tls")
    stage.resolver.answer(NAME, PUBLIC)
    stage.dial().stands().lose(reason)
    stage.pump()
    assert refusal(device) == "read ECONNRESET: during the TLS handshake"


def test_a_handshake_has_a_deadline(stage):
    device = stage.connect(NAME, 443, "tls")
    stage.resolver.answer(NAME, PUBLIC)
    transport = stage.dial().stands()
    stage.clock.advance(stage.config.connect_timeout_s)
    stage.pump()
    assert refusal(device) == f"connect ETIMEDOUT {PUBLIC}:443: during the TLS handshake"
    assert transport.aborted
    transport.lose(error.ConnectionAborted())
    assert not stage.opener.sockets


def test_the_tunnels_end_resets_a_half_done_handshake(stage):
    stage.connect(NAME, 443, "tls")
    stage.resolver.answer(NAME, PUBLIC)
    transport = stage.dial().stands()
    stage.connection.cut()
    assert transport.aborted
    transport.lose(error.ConnectionAborted())


# --- ends


def test_the_devices_end_is_a_close_notify_and_the_answer_still_comes(stage, authority, logged):
    target = Target(stage, Shows(leaf(authority)))
    target.device.transport.write(b"question")
    target.device.transport.loseWriteConnection()
    target.site.transport.write(b"answer")
    target.pump()
    assert target.site.data == b"question"
    assert target.site.lost.check(error.ConnectionDone)
    assert target.device.data == b"answer"
    assert target.device.calls[-2:] == ["read lost", "close"]
    assert logged.named("substream_closed")[0]["outcome"] == "ended"


def test_the_targets_close_notify_ends_the_substream_halfclose_or_not(stage, authority, logged):
    target = Target(stage, Shows(leaf(authority)))
    target.site.transport.write(b"bye")
    target.site.transport.loseConnection()
    target.pump()
    assert target.device.data == b"bye"
    assert target.device.calls[-2:] == ["read lost", "close"]
    assert logged.named("substream_closed")[0]["outcome"] == "ended"


def test_a_target_that_ends_without_close_notify_has_ended_and_the_log_tells(
    stage, authority, logged
):
    target = Target(stage, Shows(leaf(authority)))
    target.target_end.loseConnection()
    target.pump()
    assert target.device.calls[-2:] == ["read lost", "close"]
    assert "error" not in target.device.calls
    assert logged.named("substream_closed")[0]["outcome"] == "ended_without_close_notify"


def test_a_target_that_resets_is_an_error(stage, authority, logged):
    target = Target(stage, Shows(leaf(authority)))
    target.target_end.abortConnection()
    target.pump()
    assert refusal(target.device) == "read ECONNRESET"
    assert logged.named("substream_closed")[0]["outcome"] == "reset_by_target"


def test_a_target_that_resets_after_its_close_notify_has_ended(stage, authority, logged):
    target = Target(stage, Shows(leaf(authority)))
    target.target_end.pauseProducing()  # it closes without reading the proxy's close_notify
    target.site.transport.write(b"bye")
    target.site.transport.loseConnection()
    target.pump()
    target.target_end.abortConnection()
    target.pump()
    assert target.device.data == b"bye"
    assert target.device.calls[-2:] == ["read lost", "close"]
    assert logged.named("substream_closed")[0]["outcome"] == "ended"


def test_a_target_that_breaks_tls_is_an_error_of_its_own(stage, authority, logged):
    target = Target(stage, Shows(leaf(authority)))
    target.target_end.write(b"\x17\x03\x03\x00\x40" + b"?" * 64)
    target.pump()
    assert refusal(target.device) == "read EPROTO"
    assert logged.named("substream_closed")[0]["outcome"] == "tls_failed"
    assert target.site.lost


def test_a_target_that_ends_tls_while_its_device_is_paused_ends_the_substream(
    stage, authority, logged
):
    target = Target(stage, Shows(leaf(authority)))
    target.target_end.pauseProducing()
    target.device.transport.write(bytes(5_000_000))
    target.pump()
    target.site.transport.write(b"no more, please")
    target.site.transport.loseConnection()
    target.pump()
    target.target_end.resumeProducing()
    target.pump()
    assert target.device.data == b"no more, please"
    assert target.device.calls[-2:] == ["read lost", "close"]
    assert logged.named("substream_closed")[0]["outcome"] == "ended"


def test_the_devices_error_resets_a_target_under_tls(stage, authority):
    target = Target(stage, Shows(leaf(authority)))
    target.device.transport.fail("trouble")
    stage.pump()
    assert target.proxy_end.aborted


def test_the_tunnels_end_closes_a_target_whose_device_had_ended(stage, authority):
    target = Target(stage, Shows(leaf(authority)))
    target.target_end.reading = False  # it does not answer our close_notify
    target.device.transport.loseWriteConnection()
    target.pump()
    assert not target.proxy_end.disconnecting
    stage.connection.cut()
    assert target.proxy_end.disconnecting
    assert not target.proxy_end.aborted
    target.connection.cut()


def test_one_that_does_not_answer_close_notify_is_closed_after_a_while(stage, authority):
    target = Target(stage, Shows(leaf(authority)))
    target.target_end.reading = False
    stage.server.substreams[2].protocol._target.close()
    assert target.proxy_end.dataBuffer  # our close_notify
    target.proxy_end.left()
    stage.clock.advance(LINGER_LOOK_S)
    assert target.proxy_end.disconnecting
    assert not target.proxy_end.aborted
    target.connection.cut()


def test_closed_while_it_is_whole_it_says_close_notify(stage, authority):
    target = Target(stage, Shows(leaf(authority)))
    stage.server.substreams[2].protocol._target.close()
    target.pump()
    assert target.site.lost.check(error.ConnectionDone)


# --- the file of authorities


def test_a_file_without_certificates_is_a_fault_of_the_settings(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(ConfigError, match="TARGET_CA_FILE"):
        TargetTrust(file)
    with pytest.raises(ConfigError, match="TARGET_CA_FILE"):
        TargetTrust(tmp_path / "missing.pem")


def test_authorities_that_are_renewed_are_those_that_new_targets_are_judged_by(authority, tmp_path):
    file = tmp_path / "ca.pem"
    file.write_bytes(trustme.CA().cert_pem.bytes())
    trust = TargetTrust(file)
    former = Target(judging_by(trust), Shows(leaf(authority)))
    assert refusal(former.device).startswith("UNABLE_TO_")
    file.write_bytes(authority.cert_pem.bytes())
    trust.reload()
    assert trust.paths == (file,)
    assert Target(judging_by(trust), Shows(leaf(authority))).device.events == SECURED


def test_a_renewal_without_certificates_leaves_the_former_authorities_in_place(authority, tmp_path):
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.cert_pem.bytes())
    trust = TargetTrust(file)
    file.write_text("half of")
    with pytest.raises(ConfigError, match="TARGET_CA_FILE"):
        trust.reload()
    assert Target(judging_by(trust), Shows(leaf(authority))).device.events == SECURED
