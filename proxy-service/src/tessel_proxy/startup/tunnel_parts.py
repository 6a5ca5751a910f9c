"""The parts that all tunnels of a process share, made from the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry
from twisted.internet.interfaces import IReactorFDSet

from tessel_proxy.auth import Authenticator
from tessel_proxy.auth.checking import Guesses
from tessel_proxy.auth.wrappers import AuthResult, ReportingAuthenticator, TimedAuthenticator
from tessel_proxy.egress.own_addresses import OwnAddresses
from tessel_proxy.egress.policies import Policies
from tessel_proxy.files.reloadable import Reloadable
from tessel_proxy.limits.accounts import AccountLimits
from tessel_proxy.limits.penalties import Penalties
from tessel_proxy.monitoring.ledger import Ledger
from tessel_proxy.monitoring.metrics import Sources, registry_of
from tessel_proxy.monitoring.readiness import Readiness
from tessel_proxy.monitoring.tracing import traces_of
from tessel_proxy.monitoring.tracing.choice import ITracingReactor
from tessel_proxy.operations import Refusing, UsageMeter
from tessel_proxy.operations.happenings import Happenings
from tessel_proxy.records.repeated_lines import RepeatedLines
from tessel_proxy.startup.config import Config
from tessel_proxy.startup.operating import InProcess, can_be_operated, in_process
from tessel_proxy.startup.stopping import stop_lookups
from tessel_proxy.targets.connecting import TCPConnector
from tessel_proxy.targets.lookup import Lookups, lookup_threads, system_resolver
from tessel_proxy.targets.opening import Opener
from tessel_proxy.targets.trust import TargetTrust
from tessel_proxy.tunnel.joining import Invitations
from tessel_proxy.tunnel.shared_state import Places, SharedState, TunnelRegistry
from tessel_service_kit.clocks import WallTime
from tessel_service_kit.names import HELPER_THREADS, IThreadsAndTime


class ITunnelReactor(IReactorFDSet, IThreadsAndTime, ITracingReactor):
    """The reactor interfaces that tunnels and their targets use."""


class TunnelParts:
    """What all tunnels of a process use: look-ups, rules, limits, counters and log lines.

    `usage` and `happenings` are None if nobody asks for them.
    """

    def __init__(
        self,
        config: Config,
        reactor: ITunnelReactor,
        wall_time: WallTime,
        descriptors: int,
        workers: int,
    ) -> None:
        """Build all parts; raises ConfigError if TARGET_CA_FILE or POLICY_FILE cannot be used.

        `descriptors`: how many files and sockets each of the `workers` may have open.
        """
        self._config = config
        self._reactor = reactor
        self._threads, self._helpers = lookup_threads(), lookup_threads(HELPER_THREADS)
        self.lookups = Lookups(system_resolver(reactor, self._threads, self._helpers))
        self._trust = TargetTrust(config.target_ca_file)
        self._policies = Policies(config)
        self.own = OwnAddresses()
        self.ledger = Ledger()
        self.usage: UsageMeter | None = None
        if config.usage_file is not None or config.fleet_url is not None:
            self.usage = UsageMeter(self.ledger)
            self.ledger.closed = self.usage.closed
        self.happenings = Happenings(self.ledger) if can_be_operated(config) else None
        self.lines = RepeatedLines(reactor)
        self.traces = traces_of(config, reactor, wall_time, self.lines)
        self.limits = AccountLimits(config, reactor, descriptors)
        self.limits.shares.warn(config.max_tunnels, descriptors, workers)
        self.tunnels = TunnelRegistry()
        self.refusing = Refusing(self.tunnels, wall_time)

    @property
    def reloadables(self) -> Sequence[Reloadable]:
        """What is reloaded when TARGET_CA_FILE or POLICY_FILE changes."""
        policies = [self._policies] if self._policies.paths else []  # without a file: none
        return [self._trust, *policies]

    def shared_state(
        self,
        authenticator: Authenticator,
        *,
        places: Places | None,
        guesses: Guesses | None,
        invitations: Invitations,
    ) -> SharedState:
        """Return what each tunnel gets; see SharedState."""
        config, reactor = self._config, self._reactor
        opener = Opener(
            reactor,
            TCPConnector(reactor, keep_alive=config.keep_alive),
            self.lookups,
            self._trust,
            self._policies,
            self.own,
            config.connect_timeout_s,
            durations=self.ledger.durations,
        )
        timed = TimedAuthenticator(authenticator, reactor, self.ledger.durations.token_check)
        below = self.ledger if self.happenings is None else self.happenings
        return SharedState(
            config,
            reactor,
            ReportingAuthenticator(timed, self._token_checked),
            opener,
            self.limits,
            Penalties(config.max_wrong_tokens, config.auth_penalty_s),
            self.tunnels,
            witness=below if self.traces is None else self.traces.witness(below),
            lines=self.lines,
            places=places,
            guesses=guesses,
            refusals=self.refusing,
            invitations=invitations,
        )

    def _token_checked(self, result: AuthResult) -> None:
        self.ledger.auth_answers[result] += 1

    def registry(
        self,
        readiness: Readiness,
        *,
        certificate_ends: Callable[[], float | None],
        revocations_end: Callable[[], float | None],
        log_dropped: Callable[[], int],
    ) -> CollectorRegistry:
        """Return the metrics of the process; see Sources."""
        return registry_of(
            Sources(
                config=self._config,
                ledger=self.ledger,
                tunnels=self.tunnels,
                limits=self.limits,
                lookups=self.lookups,
                readiness=readiness,
                certificate_ends=certificate_ends,
                revocations_end=revocations_end,
                log_dropped=log_dropped,
            )
        )

    def operated(
        self, member: str, role: str, wall_time: WallTime, readiness: Readiness
    ) -> InProcess | None:
        """Return the operator's part of the process; None if no operator can ask."""
        if self.happenings is None:
            return None
        return in_process(
            self._config,
            self._reactor,
            wall_time,
            member=member,
            role=role,
            ledger=self.ledger,
            happenings=self.happenings,
            tunnels=self.tunnels,
            limits=self.limits,
            readiness=readiness,
        )

    def start(self) -> None:
        """Start the threads for look-ups."""
        self._threads.start()
        self._helpers.start()

    def stop(self) -> None:
        """Stop the threads that are idle, and write the log lines that wait for repetitions."""
        stop_lookups(self.lookups, (self._threads, self._helpers))
        self.lines.flush()
