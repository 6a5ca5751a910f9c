"""A device without a token that has an invitation."""

import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from support.proxy_in_memory import LoggedEvents, Stage
from tessel_proxy.auth.interface import AuthUnavailableError
from tessel_proxy.auth.invitations import InvitationFolder
from tessel_proxy.records.ends import Refusal
from tessel_proxy.tunnel.joining import Invitations
from tessel_service_kit.settings import ConfigError

NOW = 1_764_480_000.0


class AtOnce:
    """Runs what blocks at once, or fails as a full queue does."""

    def __init__(self):
        self.is_full = False

    def run(self, work):
        if self.is_full:
            return maybeDeferred(raising, AuthUnavailableError("too many wait"))
        return maybeDeferred(work)


def raising(error):
    raise error


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


class Joining:
    """A tunnel of a proxy with invitations."""

    def __init__(self, folder):
        self.folder = InvitationFolder(folder)
        self.threads = AtOnce()
        self.authority = lambda: "PEM"
        self.reread = []
        self.stage = Stage()
        invitations = Invitations(
            folder,
            self._shown_authority,
            self.threads,
            lambda: NOW,
            lambda account: maybeDeferred(self.reread.append, account),
        )
        object.__setattr__(self.stage.shared, "invitations", invitations)

    def _shown_authority(self):
        return self.authority()

    def ask(self, **join):
        self.stage.say({"join": join})
        self.stage.pump()
        return self.stage.heard[0]["joined"]

    @property
    def is_closed(self):
        return self.stage.listener.lost is not None


@pytest.fixture
def joining(tmp_path):
    return Joining(tmp_path / "invitations")


def test_the_authority_is_shown_and_the_tunnel_closed(joining, logged):
    assert joining.ask() == {"authority": "PEM"}
    assert joining.is_closed
    assert [line["outcome"] for line in logged.named("tunnel_closed")] == ["joined"]


def test_a_code_gets_its_token_and_the_accounts_are_read_again(joining, logged):
    code = joining.folder.make("kim", "the token", NOW + 1)
    assert joining.ask(code=code) == {"account": "kim", "token": "the token"}
    assert joining.reread == ["kim"]
    (line,) = logged.named("tunnel_closed")
    assert (line["outcome"], line["account"], line["error"]) == ("joined", "kim", None)


def test_a_refused_code_is_logged_and_no_accounts_are_read(joining, logged):
    assert joining.ask(code="A" * 22) == {"refused": "unknown"}
    assert joining.is_closed
    assert joining.reread == []
    (refused,) = logged.named("tunnel_refused")
    (closed,) = logged.named("tunnel_closed")
    assert refused["error"] == closed["error"] == Refusal.WRONG_INVITATION.error.value


@pytest.mark.parametrize("fault", ["queue", "file", "authority"])
def test_what_cannot_be_done_now_is_said_and_logged(joining, logged, fault):
    code = joining.folder.make("kim", "the token", NOW + 1)
    join = {} if fault == "authority" else {"code": code}
    joining.threads.is_full = fault == "queue"
    joining.authority = lambda: raising(ConfigError(["CERT_FILE is gone"]))
    if fault == "file":
        next(joining.folder.path.iterdir()).write_text("{")
    assert joining.ask(**join) == {"refused": "unavailable"}
    (line,) = logged.named("join_failed")
    assert line["error"] == "TP3050"


def test_without_a_folder_no_invitation_is_accepted(joining):
    joining.stage.shared.invitations._folder = None
    assert joining.ask(code="A" * 22) == {"refused": "unavailable"}


def test_a_device_that_leaves_meanwhile_ends_its_question(joining):
    cancelled = []
    joining.threads.run = lambda _work: Deferred(cancelled.append)
    joining.stage.say({"join": {}})
    assert cancelled == []
    joining.stage.device.abortConnection()
    joining.stage.pump()
    assert joining.is_closed
    assert len(cancelled) == 1


def test_an_accepted_device_cannot_join_again(joining):
    joining.stage.authenticate()
    joining.stage.say({"join": {}})
    assert joining.stage.heard == [{"authed": True}] * 2
