"""AUTH_FILE: its lines, their hashes, and the tokens that are compared with them."""

import os
import threading
from base64 import b64encode

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.threadpool import ThreadPool

from tessel_proxy.auth import (
    Account,
    AuthOverloadedError,
    AuthUnavailableError,
    FileAuthenticator,
    HardcodedAuthenticator,
    Refused,
)
from tessel_proxy.auth import account_file as module
from tessel_proxy.auth.account_file import MAX_FAULTS, MAX_RECIPES, load_accounts, read_accounts
from tessel_proxy.auth.hashing import AT_ONCE, MAX_WAITING, HashingQueue, reactor_threads
from tessel_proxy.auth.local import MAX_TOKEN_CHARACTERS
from tessel_proxy.auth.scrypt import HashCosts, HashParameters, hash_text, parsed_hash
from tessel_proxy.auth.token_memory import keyed_digest
from tessel_service_kit.settings import ConfigError

CHEAP = HashCosts(log_n=10, block=1, passes=1)
SALT = b"0123456789abcdef"


def line(account, token, salt=SALT, costs=CHEAP):
    recipe = HashParameters(salt, costs)
    return f"{account} {hash_text(recipe, recipe.hash(token))}"


# --- hashes


def test_a_hash_is_scrypts_of_rfc_7914():
    # Its vectors have 64 bytes; the first 32 of a block are the same for a shorter output.
    hashed = HashParameters(b"NaCl", HashCosts(log_n=10, block=8, passes=1)).hash("password")
    other = HashParameters(b"SodiumChloride", HashCosts(log_n=14, block=8, passes=1)).hash(
        "pleaseletmein"
    )
    assert len(hashed) == 32
    assert other.hex() == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"


def test_what_is_written_is_read_again():
    for costs in (CHEAP, HashCosts()):
        recipe = HashParameters(SALT, costs)
        assert parsed_hash(hash_text(recipe, b"x" * 32)) == (recipe, b"x" * 32)


GOOD = hash_text(HashParameters(SALT, CHEAP), b"x" * 32)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S3CRET",
        GOOD[:-1],
        GOOD + "A",
        GOOD + "=",
        GOOD.replace("scrypt", "argon2id"),
        GOOD.replace("ln=10", "ln=9"),
        GOOD.replace("ln=10", "ln=16"),
        GOOD.replace("ln=10", "ln=99"),
        GOOD.replace("r=1", "r=0"),
        GOOD.replace("ln=10,r=1", "ln=17,r=8"),
        GOOD.replace("p=1", "p=0"),
        GOOD.replace("p=1", "p=5"),
        GOOD.replace(b64encode(SALT).decode().rstrip("="), "A" * 13),
    ],
)
def test_what_is_no_bearable_hash_is_reported_without_being_quoted(text):
    with pytest.raises(ValueError, match=r"^allowed: (ACCOUNT|costs of scrypt|base64)") as raised:
        parsed_hash(text)
    assert not text or text not in str(raised.value)


# --- files


def test_a_file_has_one_token_a_line_comments_and_empty_lines():
    accounts, faults = read_accounts(
        f"# kitchen\n\n{line('kim', 'one')}\r\n  {line('Robin Doe', 'two')}  \n{line('kim', 'new')}"
    )
    assert faults == []
    assert len(accounts) == 3
    assert accounts.find("three") is None
    owners = [accounts.find(token).account for token in ("one", "two", "new")]
    assert owners == [Account("kim"), Account("Robin Doe"), Account("kim")]


def test_what_an_editor_puts_around_lines_is_ignored(tmp_path):
    file = tmp_path / "accounts"
    file.write_bytes(b"\xef\xbb\xbfkim " + GOOD.encode() + b" \xe2\x80\x8b\r\n\r\n")
    (lines,) = load_accounts(file).by_recipe.values()
    assert lines == {b"x" * 32: Account("kim")}


def test_all_faults_are_reported_at_once_by_their_lines():
    text = "\n".join([line("kim", "one"), "S3CRET", line("", "two"), line("robin", "one")])
    _accounts, faults = read_accounts(text)
    assert [fault[:6] for fault in faults] == ["line 2", "line 3", "line 4"]
    assert faults[2] == "line 4 has the token of line 1; allowed: one line each"
    assert "S3CRET" not in "".join(faults)


def test_salts_are_few_for_each_costs_every_token_a_computation():
    lines = [line("kim", str(number), salt=bytes([number] * 16)) for number in range(6)]
    accounts, faults = read_accounts("\n".join(lines))
    assert (len(accounts), len(faults)) == (MAX_RECIPES, 2)
    assert faults[0].startswith("line 5 has another salt; allowed: 4 different ones in a file")


def faults_of(path):
    with pytest.raises(ConfigError) as raised:
        load_accounts(path)
    return raised.value.faults


def test_faults_name_the_file_and_are_not_reported_without_end(tmp_path):
    file = tmp_path / "accounts"
    file.write_text("wrong\n" * 100)
    faults = faults_of(file)
    assert faults[0].startswith(f"AUTH_FILE={str(file)!r}, line 1: allowed: ACCOUNT $scrypt$")
    assert len(faults) == MAX_FAULTS + 1
    assert faults[-1].endswith("has 80 more faults")


def test_a_file_that_cannot_be_used_at_all_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 10)
    file = tmp_path / "accounts"
    assert faults_of(file)[0].endswith(
        "cannot be read: No such file or directory; "
        "`tessel-proxy hash-token ACCOUNT` makes a line for it"
    )
    file.write_bytes(b"# \xff")
    assert faults_of(file)[0].endswith("is not UTF-8 at byte 2")
    file.write_bytes(b"#" * 11)
    assert faults_of(file)[0].endswith("is too large; allowed: 10 bytes")
    file.unlink()
    os.mkfifo(file)
    assert faults_of(file)[0].endswith(
        "is not a regular file; allowed: a regular file, or a link to one"
    )


# --- threads


class Threads:
    """Threads that work when the test calls them."""

    def __init__(self):
        self.works = []

    def __call__(self, work):
        done = Deferred()
        self.works.append((work, done))
        return done

    def work(self):
        work, done = self.works.pop(0)
        done.callback(work())


def test_so_many_computations_run_at_once_and_the_others_wait():
    threads, got = Threads(), []
    hashing = HashingQueue(threads)
    for number in range(AT_ONCE + 1):
        hashing.run(lambda number=number: number).addCallback(got.append)
    assert len(threads.works) == AT_ONCE
    threads.work()
    assert len(threads.works) == AT_ONCE
    threads.work()
    threads.work()
    assert got == [0, 1, 2]


def test_past_so_many_that_wait_there_is_no_answer_now():
    hashing, got = HashingQueue(Threads()), []
    for _ in range(AT_ONCE + MAX_WAITING):
        hashing.run(int)
    hashing.run(int).addErrback(lambda failure: got.append(failure.value))
    assert isinstance(got[0], AuthOverloadedError)


def test_cancelled_it_waits_no_more_but_the_thread_keeps_its_turn():
    threads, got = Threads(), []
    hashing = HashingQueue(threads)
    runs = [hashing.run(int) for _ in range(AT_ONCE + 1)]
    for run in runs:
        run.addErrback(lambda failure: failure.trap(CancelledError))
        run.cancel()
    hashing.run(lambda: "next").addCallback(got.append)
    assert len(threads.works) == AT_ONCE
    threads.work()
    assert len(threads.works) == AT_ONCE
    threads.work()
    threads.work()
    assert got == ["next"]


@pytest_twisted.ensureDeferred
async def test_the_reactor_is_not_held_up():
    thread = await HashingQueue(reactor_threads(reactor)).run(threading.get_ident)
    assert thread != threading.get_ident()


class PoolWithoutThreads(ThreadPool):
    """As on a system whose limit on threads is met."""

    class threadFactory(threading.Thread):  # noqa: N801 -- Twisted's name
        def start(self):
            raise RuntimeError("can't start new thread")  # as Python says it


class ReactorWithoutThreads(MemoryReactorClock):
    def __init__(self):
        super().__init__()
        self.pool = PoolWithoutThreads(minthreads=0)
        self.pool.start()

    def getThreadPool(self):
        return self.pool


def test_where_no_thread_can_be_had_there_is_no_answer_now_and_no_turn_is_lost():
    short, got = ReactorWithoutThreads(), []
    hashing = HashingQueue(reactor_threads(short))
    for _ in range(2 * AT_ONCE):
        hashing.run(int).addErrback(lambda failure: got.append(failure.value))
    assert [type(each) for each in got] == [AuthOverloadedError] * 2 * AT_ONCE
    assert "can't start new thread" in str(got[0])
    short.pool.stop()  # which joins those that were started, and no others


# --- the authenticator


class Filed:
    """An authenticator by file, whose computations are done at once unless `threads` says."""

    def __init__(self, path, *lines, threads=succeed):
        self.path = path / "accounts"
        self.hashed = 0
        self.clock = Clock()
        self.write(*lines)
        run = threads if isinstance(threads, Threads) else self._at_once
        self.by_file = FileAuthenticator(
            self.path, HashingQueue(run), self.clock, 10, keyed_digest(b"k")
        )

    def _at_once(self, work):
        self.hashed += 1
        return succeed(work())

    def write(self, *lines):
        self.path.write_text("\n".join(lines))

    def ask(self, token):
        got = []
        self.by_file.check(token).addBoth(got.append)
        return getattr(got[0], "value", got[0]) if got else None


def test_a_token_in_the_file_is_its_accounts_and_any_other_is_wrong(tmp_path):
    filed = Filed(tmp_path, line("kim", "right"))
    assert filed.ask("right") == Account("kim")
    for wrong in ("", "Right", "right ", "\ud800"):
        assert filed.ask(wrong) == Refused()


def test_a_token_is_hashed_once_for_each_salt_also_if_the_file_is_read_again(tmp_path):
    filed = Filed(tmp_path, line("kim", "right"))
    for _ in range(3):
        filed.ask("right")
        filed.ask("wrong")
    assert filed.hashed == 2
    filed.write(line("kim", "wrong"))
    filed.by_file.reload()
    assert (filed.ask("right"), filed.ask("wrong")) == (Refused(), Account("kim"))
    assert filed.hashed == 2
    filed.write(line("kim", "right", salt=b"another salt, 16"))
    filed.by_file.reload()
    assert (filed.ask("right"), filed.ask("wrong")) == (Account("kim"), Refused())
    assert filed.hashed == 4


def test_a_file_that_can_no_longer_be_used_leaves_all_as_it_was(tmp_path):
    filed = Filed(tmp_path, line("kim", "right"))
    filed.write("wrong")
    with pytest.raises(ConfigError, match="line 1"):
        filed.by_file.reload()
    assert filed.ask("right") == Account("kim")
    assert (filed.by_file.name, filed.by_file.paths) == ("AUTH_FILE", (filed.path,))


def test_who_is_known_needs_no_computation_after_a_reload_that_keeps_the_line(tmp_path):
    kim, robin = line("kim", "of kim"), line("robin", "of robin", salt=b"another salt, 16")
    filed = Filed(tmp_path, kim, robin)
    filed.ask("of kim")
    filed.ask("of robin")
    hashed = filed.hashed
    filed.write("# in another order", robin, kim, line("lee", "new"))
    filed.by_file.reload()
    assert (filed.ask("of kim"), filed.ask("of robin")) == (Account("kim"), Account("robin"))
    assert filed.hashed == hashed


def test_accounts_whose_used_tokens_are_gone_or_given_away_are_reported_once(tmp_path):
    filed = Filed(tmp_path, *(line(each, each) for each in ("kim", "alex", "sam", "unused")))
    for each in ("kim", "alex", "sam"):
        filed.ask(each)
    filed.write(line("kim", "kim"), line("kim", "alex"))
    filed.by_file.reload()
    assert filed.by_file.withdrawn == {"alex", "sam"}


def test_the_shared_account_is_notified_when_one_of_its_tokens_is_gone():
    shared = HardcodedAuthenticator("old", "new")
    shared.use(["old", "new", "newer"])
    assert not shared.withdrawn
    shared.use(["new"])
    assert shared.withdrawn == {"hardcoded"}


def test_a_reload_does_not_make_those_who_are_known_wait_behind_those_who_guess(tmp_path):
    threads = Threads()
    filed = Filed(tmp_path, line("kim", "right"), threads=threads)
    filed.ask("right")
    threads.work()
    for number in range(AT_ONCE + MAX_WAITING):
        filed.ask(f"guess {number}")
    filed.by_file.reload()
    assert filed.ask("right") == Account("kim")


def test_a_line_that_is_given_to_another_account_holds_at_once(tmp_path):
    filed = Filed(tmp_path, line("kim", "right"))
    filed.ask("right")
    filed.write(line("robin", "right"))
    filed.by_file.reload()
    assert filed.ask("right") == Account("robin")


def test_a_line_that_goes_while_its_token_is_hashed_lets_nobody_in(tmp_path):
    threads, got = Threads(), []
    filed = Filed(tmp_path, line("kim", "right"), threads=threads)
    filed.by_file.check("right").addCallback(got.append)
    filed.write(line("lee", "another", salt=b"another salt, 16"))
    filed.by_file.reload()
    filed.by_file.check("right").addCallback(got.append)
    threads.work()
    assert not got  # it is looked for in the new file
    threads.work()
    assert got == [Refused()] * 2


def test_a_line_that_comes_while_its_token_is_hashed_lets_its_owner_in(tmp_path):
    threads, got = Threads(), []
    filed = Filed(tmp_path, line("lee", "another", salt=b"another salt, 16"), threads=threads)
    filed.by_file.check("new").addCallback(got.append)
    filed.write(line("kim", "new"))
    filed.by_file.reload()
    threads.work()
    threads.work()
    assert got == [Account("kim")]


def test_a_line_that_stays_while_its_token_is_hashed_is_not_looked_for_again(tmp_path):
    threads, got = Threads(), []
    filed = Filed(tmp_path, line("kim", "right"), threads=threads)
    filed.by_file.check("right").addCallback(got.append)
    filed.write(line("kim", "right"), line("lee", "another"))
    filed.by_file.reload()
    threads.work()
    assert got == [Account("kim")]


def test_those_who_ask_the_same_share_one_computation(tmp_path):
    threads, got = Threads(), []
    filed = Filed(tmp_path, line("kim", "right"), threads=threads)
    for _ in range(3):
        filed.by_file.check("right").addCallback(got.append)
    assert len(threads.works) == 1
    threads.work()
    assert got == [Account("kim")] * 3


def test_those_who_are_known_need_no_turn_however_many_guess(tmp_path):
    threads = Threads()
    filed = Filed(tmp_path, line("kim", "right"), threads=threads)
    filed.ask("right")
    threads.work()
    for number in range(AT_ONCE + MAX_WAITING):
        filed.ask(f"guess {number}")
    assert isinstance(filed.ask("one more"), AuthUnavailableError)
    assert filed.ask("right") == Account("kim")


def test_a_computation_has_a_deadline(tmp_path):
    filed = Filed(tmp_path, line("kim", "right"), threads=Threads())
    got = []
    filed.by_file.check("right").addErrback(lambda failure: got.append(failure.value))
    filed.clock.advance(10)
    assert str(got[0]) == "no answer within 10 s"


def test_what_is_too_long_for_a_token_is_not_hashed(tmp_path):
    filed = Filed(tmp_path, line("kim", "right"))
    assert filed.ask("x" * (MAX_TOKEN_CHARACTERS + 1)) == Refused()
    assert not filed.hashed


def test_the_default_costs_are_bearable_and_worth_something():
    assert HashCosts().are_bearable
    assert HashCosts().memory_bytes == 16 * 1024 * 1024
    assert len(HashParameters(os.urandom(16)).hash("x")) == 32
