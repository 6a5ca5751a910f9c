"""USAGE_FILE on a real disk: what is added, read, forgotten, and what faults do."""

import sqlite3
import stat

import pytest
import pytest_twisted
from twisted.internet import reactor

from tessel_proxy.operations import Usage, UsageError, UsageQuestion, UsageRow
from tessel_proxy.operations.usage_file import UsageFile

DAY = "2026-11-30"
ALL = UsageQuestion(first="0000-00-00", last="9999-99-99")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "usage.sqlite"


@pytest_twisted.async_yield_fixture
async def file(path):
    file = UsageFile(path, reactor)
    file.start()
    yield file
    await file.stop()


def row(account="kim", day=DAY, **usage):
    return UsageRow(day, account, Usage(**(usage or {"opens": 1})))


@pytest_twisted.ensureDeferred
async def test_rows_of_the_same_account_and_day_are_added(file):
    await file.add(1, [row(bytes_from_device=2**60, refusals=1), row("alex")], "")
    await file.add(2, [row(bytes_from_device=5), row(day="2026-12-01")], "")
    page = await file.read(ALL)
    assert page.rows == [
        row("alex"),
        row(bytes_from_device=2**60 + 5, refusals=1),
        row(day="2026-12-01"),
    ]
    assert not page.has_more


@pytest_twisted.ensureDeferred
async def test_what_was_written_is_there_after_a_restart_and_is_private(file, path):
    await file.add(1, [row()], "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await file.stop()
    again = UsageFile(path, reactor)
    again.start()
    assert (await again.read(ALL)).rows == [row()]
    await again.stop()


@pytest_twisted.ensureDeferred
async def test_pages_of_days_and_of_one_account(file):
    rows = [row(f"account {n}", f"2026-11-{day:02}") for day in range(1, 4) for n in range(5)]
    await file.add(1, rows, "")
    found, after = [], ("", "")
    while True:
        page = await file.read(
            UsageQuestion(first="2026-11-02", last="2026-11-03", after=after, limit=3)
        )
        found += page.rows
        after = (page.rows[-1].day, page.rows[-1].account)
        if not page.has_more:
            break
    assert found == rows[5:]
    one = await file.read(UsageQuestion(first="2026-11-01", last="2026-11-02", account="account 4"))
    assert one.rows == [rows[4], rows[9]]


@pytest_twisted.ensureDeferred
async def test_days_before_the_oldest_are_forgotten(file):
    await file.add(1, [row(day="2026-08-01"), row(day="2026-09-02")], "")
    await file.add(2, [row()], "2026-09-02")
    assert [each.day for each in (await file.read(ALL)).rows] == ["2026-09-02", DAY]


@pytest_twisted.ensureDeferred
async def test_hostile_names_are_only_names(file):
    names = sorted(["'; DROP TABLE usage; --", "\N{PILE OF POO}", 'a"b'])
    await file.add(1, [row(each) for each in names], "")
    assert [each.account for each in (await file.read(ALL)).rows] == names


@pytest_twisted.ensureDeferred
async def test_a_damaged_file_is_an_error_and_when_it_is_gone_a_new_one_is_made(file, path):
    path.write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(UsageError, match="not a database"):
            await file.add(1, [row()], "")
    path.unlink()
    await file.add(1, [row()], "")
    assert (await file.read(ALL)).rows == [row()]


@pytest_twisted.ensureDeferred
async def test_a_locked_file_is_an_error_until_the_lock_is_gone(file, path, monkeypatch):
    monkeypatch.setattr("tessel_proxy.operations.usage_file.BUSY_S", 0.05)
    await file.add(1, [row()], "")
    await file._thread.run(file._close)  # the next call opens it with the shorter wait
    with sqlite3.connect(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UsageError, match="locked"):
            await file.add(2, [row()], "")
        other.rollback()
    other.close()
    await file.add(2, [row()], "")
    assert (await file.read(ALL)).rows == [row(opens=2)]


@pytest_twisted.ensureDeferred
async def test_a_full_disk_is_an_error_and_nothing_is_written_half(file, path):
    await file.add(1, [row()], "")
    await file._thread.run(lambda: file._open.execute("PRAGMA max_page_count = 3"))
    with pytest.raises(UsageError, match="full"):
        await file.add(2, [row(f"account {n}" * 50) for n in range(100)], "")
    assert (await file.read(ALL)).rows == [row()]


@pytest_twisted.ensureDeferred
async def test_a_missing_folder_is_an_error(tmp_path):
    file = UsageFile(tmp_path / "missing" / "usage", reactor)
    file.start()
    with pytest.raises(UsageError, match="No such file"):
        await file.read(ALL)
    await file.stop()
