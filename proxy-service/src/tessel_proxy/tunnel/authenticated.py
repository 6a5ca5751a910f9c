"""The part of a tunnel that begins when its token is accepted: features, substreams, rechecks."""

from __future__ import annotations

from twisted.logger import Logger

from streamplex import features
from streamplex.conversation import Accepted, Hello, Refused, encode_answer, substream_kind
from streamplex.tx import Substream, TunnelProtocol
from tessel_proxy.auth import Account
from tessel_proxy.auth.recheck import Recheck, Rechecked
from tessel_proxy.limits.accounts import AccountUsage
from tessel_proxy.records.accounting import SubstreamRecord, TunnelRecord
from tessel_proxy.records.ends import Outcome
from tessel_proxy.relay.outbound import Outbound
from tessel_proxy.relay.reading import Reading
from tessel_proxy.relay.tunnel_context import TunnelContext
from tessel_proxy.tunnel.admission import refuse_substream
from tessel_proxy.tunnel.shared_state import SharedState


class AuthenticatedTunnel:
    """A tunnel whose token was accepted: serves substreams and checks the token at intervals."""

    __slots__ = (
        "_context",
        "_offered",
        "_recheck",
        "_record",
        "_shared",
        "_tunnel",
    )

    _log = Logger()

    def __init__(
        self,
        shared: SharedState,
        record: TunnelRecord,
        tunnel: TunnelProtocol,
        *,
        hello: Hello,
        account: Account,
        usage: AccountUsage,
    ) -> None:
        self._shared = shared
        self._record = record
        self._tunnel = tunnel
        self._offered = hello.features
        self._recheck: Recheck | None = None
        self._context = TunnelContext(
            opener=shared.opener,
            clock=shared.clock,
            account=account.name,
            half_close=features.HALFCLOSE in hello.common,
            usage=usage,
            reading=Reading(),
            idle_s=shared.config.substream_idle_s,
        )

    def start(self, rechecked: Rechecked, hello: Hello, account: Account) -> None:
        """Log and answer the accepted token, enable the common features, and start the rechecks.

        `rechecked` is notified when the token is lost. `hello` and `account` are those of the
        constructor: they are not kept in between, nor later.
        """
        self._log_accepted(hello, account)
        config = self._shared.config
        self._tunnel.message(encode_answer(Accepted(config.windows.first), hello))
        self._tunnel.enable(hello.common, config.windows, hello.window)
        if features.PING in hello.common and config.ping_interval_s:
            self._tunnel.keep_alive(
                config.ping_interval_s, config.ping_timeout_s, self._shared.timers
            )
        self._recheck = Recheck(
            rules=self._shared.rechecks,
            token=hello.token or "",  # there is one: it was accepted
            account=account,
            tunnel=rechecked,
        )
        self._recheck.start()

    def _log_accepted(self, hello: Hello, account: Account) -> None:
        self._record.account = account.name
        self._record.device = hello.device
        if hello.device_faulty:
            self._log.warn(
                "device name of tunnel {tunnel} ignored: it is not usable",
                event="bad_device",
                tunnel=self._record.tunnel,
            )
        self._record.log_authenticated(hello.common)

    def serve(self, substream: Substream) -> None:
        """Connect a new substream to an Outbound, or refuse it if a limit is reached."""
        context, now = self._context, self._shared.clock.seconds()
        if self._tunnel.substreams_in_use > self._shared.config.max_substreams:
            refuse_substream(substream, self._record, Outcome.TOO_MANY_SUBSTREAMS, now)
        elif not substream.is_promised:
            refuse_substream(substream, self._record, Outcome.WINDOWS_USED_UP, now)
        elif too_many := context.usage.open_substream():
            refuse_substream(substream, self._record, too_many, now)
        else:
            kind = substream_kind(substream.name)
            record = SubstreamRecord(
                of=self._record,
                substream=substream.channel,
                kind=kind._value_,  # `value` takes two calls
                started_at=now,
            )
            substream.attach(Outbound(context, kind, record))

    def ask_to_leave(self, after_ms: int) -> bool:
        """Ask the device to return after `after_ms`; return False if it lacks goaway/1."""
        if features.GOAWAY not in self._record.features:
            return False
        self._tunnel.goaway(after_ms)
        return True

    def send_reason(self, said: Refused) -> None:
        """Send the device the reason why its tunnel ends."""
        self._tunnel.message(encode_answer(said, Hello(None, self._offered)))

    def check_again(self) -> None:
        """Check the token now."""
        if self._recheck is not None:
            self._recheck.now()

    def check_in_turn(self) -> None:
        """Check the token soon, after those of other tunnels that wait."""
        if self._recheck is not None:
            self._recheck.in_turn()

    def stop(self) -> None:
        """Stop checking the token; the tunnel itself stays open."""
        if self._recheck is not None:
            self._recheck.stop()
