"""A reactor in memory that runs a program for a limited time."""

from twisted.internet.testing import MemoryReactorClock


class Reactor(MemoryReactorClock):
    """Runs a program in the memory of a test, for a limited time."""

    STEP_S = 0.01
    STEPS = 200

    def __init__(self):
        super().__init__()
        self.threadpool = None
        self.begin = []
        self.stopped = False
        self.selectables = ["waker"]

    def callWhenRunning(self, call, *args):
        self.begin.append((call, args))

    def run(self):
        for call, args in self.begin:
            call(*args)
        for _ in range(self.STEPS):
            if self.stopped:
                return
            self.advance(self.STEP_S)
        raise AssertionError("the program goes on")

    def stop(self):
        self.stopped = True

    def callFromThread(self, call, *args):
        self.callLater(0, call, *args)

    def getReaders(self):
        return self.selectables

    def getWriters(self):
        return []
