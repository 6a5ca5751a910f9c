"""Questions to the workers of a host."""

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.protocols.amp import AmpBox

from tessel_proxy.fleet.asking import ANSWER_S, AskedWorkers, TooLateError, asked
from tessel_proxy.fleet.calls import in_parts


def box_of(question):
    return AmpBox({name.encode(): part for name, part in in_parts("question", question).items()})


class Worker:
    """A worker that answers each question with its arguments, as soon as it does not hang."""

    def __init__(self, member, clock, *, hangs=False):
        self.member, self.clock, self.hangs = member, clock, hangs

    def ask(self, question):
        self.question = question
        return Deferred() if self.hangs else succeed(self.answer())

    def answer(self):
        return asked(box_of(self.question), lambda _method, said: said, self.clock.seconds())


@pytest_twisted.ensureDeferred
async def test_a_question_and_its_answer_have_any_length():
    clock = Clock()
    workers = AskedWorkers(lambda: [Worker("a", clock), Worker("b", clock)], clock)
    arguments = {"each": {f"member-{n}": n for n in range(10_000)}}
    parts = await workers.ask("rebalance", arguments)
    assert (parts.answers, parts.missing) == ({"a": arguments, "b": arguments}, [])


@pytest.mark.parametrize(("method", "obeys"), [("end_tunnel", False), ("tunnel", True)])
def test_a_worker_that_hung_obeys_no_command_whose_asker_has_given_up(method, obeys):
    clock = Clock()
    worker = Worker("a", clock, hangs=True)
    asking = Deferred.fromCoroutine(AskedWorkers(lambda: [worker], clock).ask(method, {}))
    clock.advance(ANSWER_S + 0.1)
    found = []
    asking.addCallback(found.append)
    assert [each.missing for each in found] == [["a"]]
    if obeys:
        worker.answer()
    else:
        with pytest.raises(TooLateError, match=r"end_tunnel was asked 1\.1 s ago"):
            worker.answer()
