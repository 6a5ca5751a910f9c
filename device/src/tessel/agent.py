"""A Twisted web agent over the device's network, for treq and twisted.web.

client = treq.client.HTTPClient(tessel.agent.agent())
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from tessel.endpoints import TesselAgentEndpoints, ending
from tessel.network.interface import TlsOptions
from tessel.node.base import runtime
from tessel.node.base.handles import Handle

# As that of `http.Agent`: shorter than most servers use.
IDLE_TIMEOUT_S = 5


def agent(*, tls: TlsOptions | None = None, proxy: bool | None = None) -> IAgent:
    """Return a web agent with its own pool of persistent connections over the device's network.

    A request, and the delivery of its response's body, keep the program alive. An idle connection
    does not, and is closed after IDLE_TIMEOUT_S.

    Args:
        tls: TLS options for all https connections of the agent; None: the defaults.
        proxy: False: connect directly, never through the tunnel. None or True: by the settings.
    """
    pool = HTTPConnectionPool(runtime.current().clock, persistent=True)
    pool.cachedConnectionTimeout = IDLE_TIMEOUT_S
    endpoints = TesselAgentEndpoints(tls=tls, proxy=proxy, counted=False)
    return _CountedAgent(Agent.usingEndpointFactory(runtime.current().clock, endpoints, pool))


@implementer(IAgent)
class _CountedAgent:
    """Keeps the program alive during a request, and during the delivery of its body.

    Idle connections do not, and neither does a body that is not delivered, as that of a redirect.
    """

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Send a request; the Deferred fires with its response."""
        answered = self._agent.request(method, uri, headers, bodyProducer)  # may raise
        what = f"{method.decode(errors='replace')} {uri.decode(errors='replace')}"
        board = runtime.current()
        handle = board.handles.open(f"request {what}")

        def counted(response: IResponse) -> IResponse:
            board.next_tick(
                handle.close
            )  # on a later tick, when the program has asked for the body
            return _CountedResponse(response, lambda: board.handles.open(f"body of {what}"))

        def ended(failure: Failure) -> Failure:
            handle.close()
            return failure

        return answered.addCallbacks(counted, ended)


class _CountedResponse(proxyForInterface(IResponse)):  # type: ignore[misc]  # made at run time
    def __init__(self, response: IResponse, opened: Callable[[], Handle]) -> None:
        super().__init__(response)
        self._opened = opened

    def deliverBody(self, protocol: IProtocol) -> None:
        self.original.deliverBody(_CountedBody(protocol, self._opened()))


class _CountedBody(proxyForInterface(IProtocol)):  # type: ignore[misc]  # made at run time
    def __init__(self, protocol: IProtocol, handle: Handle) -> None:
        super().__init__(protocol)
        self._handle = handle

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        try:
            self.original.connectionLost(_honest(reason))
        finally:
            self._handle.close()


def _honest(reason: Failure) -> Failure:
    """Return a ResponseFailed for a body without a length whose connection was cut.

    treq takes such a body for complete, also if the connection was reset or the tunnel was lost.
    """
    loss = ending.get()
    if reason.check(PotentialDataLoss) and loss is not None and not loss.check(ConnectionDone):
        return Failure(ResponseFailed([loss, reason]))
    return reason
