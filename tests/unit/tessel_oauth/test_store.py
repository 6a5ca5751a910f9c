"""The database, in memory and in files; no threads and no clock."""

import sqlite3
import stat
from contextlib import closing

import pytest

from tessel_oauth.errors import StoreError
from tessel_oauth.store import Account, Client, Store, TokenRecord

ANNA = Account("anna", "anna@example.org", "Anna", "key of anna")
BERTA = Account("berta", "berta@example.org", "Berta", "key of berta")
PROXY = Client("proxy", "hash", frozenset({"https://tessel-grant", "other"}))


@pytest.fixture
def store():
    with closing(opened(":memory:")) as store:
        yield store


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "oauth.sqlite")


def opened(database, **settings):
    store = Store.open(database, now=0.0, **settings)
    store.put_client(PROXY)
    store.add_account(ANNA)
    store.add_account(BERTA)
    return store


def grant(store, digest, expires_at=None, *, api_key=ANNA.api_key, now=0.0):
    record = TokenRecord(digest, PROXY.id, expires_at)
    return store.add_token(record, api_key=api_key, now=now)


def digests(store):
    rows = store._connection.execute("SELECT digest FROM access_token ORDER BY serial")
    return [digest for (digest,) in rows]


def test_a_stored_client_is_returned_unchanged(store):
    assert store.client("proxy") == PROXY
    assert store.client("other") is None


def test_a_client_is_replaced_and_its_tokens_stay(store):
    grant(store, b"t")
    store.put_client(Client("proxy", "new hash", frozenset()))

    assert store.client("proxy") == Client("proxy", "new hash", frozenset())
    assert store.holder(b"t", now=0.0) == ANNA


def test_an_account_is_created_once(store):
    again = Account("anna", "x", "x", "another key")

    assert not store.add_account(again)
    assert grant(store, b"t") == "anna"


def test_two_accounts_cannot_have_one_key(store):
    with pytest.raises(StoreError, match=r"UNIQUE.*api_key"):
        store.add_account(Account("carla", "", "", ANNA.api_key))


def test_a_token_belongs_to_the_account_of_its_key(store):
    assert grant(store, b"a") == "anna"
    assert grant(store, b"b", api_key=BERTA.api_key) == "berta"

    assert store.holder(b"a", now=0.0) == ANNA
    assert store.holder(b"b", now=0.0) == BERTA


def test_an_unknown_key_gets_no_token(store):
    assert grant(store, b"t", api_key="none") is None
    assert digests(store) == []


def test_a_renewed_key_stops_at_once_and_leaves_tokens_valid(store):
    grant(store, b"before")

    assert store.renew_key("anna", "new key")

    assert grant(store, b"after") is None
    assert grant(store, b"after", api_key="new key") == "anna"
    assert store.holder(b"before", now=0.0).api_key == "new key"


def test_no_key_is_renewed_for_an_unknown_account(store):
    assert not store.renew_key("carla", "new key")


def test_a_token_is_valid_until_the_second_it_expires(store):
    grant(store, b"t", 60.0)

    assert store.holder(b"t", now=59.9) == ANNA
    assert store.holder(b"t", now=60.0) is None


def test_a_grant_deletes_expired_tokens_of_all_accounts(store):
    grant(store, b"a", 60.0)
    grant(store, b"b", 61.0)
    grant(store, b"for ever")

    grant(store, b"new", 120.0, api_key=BERTA.api_key, now=60.0)

    assert digests(store) == [b"b", b"for ever", b"new"]


def test_the_oldest_tokens_of_an_account_are_superseded():
    with closing(opened(":memory:", tokens_kept=3)) as store:
        grant(store, b"other", api_key=BERTA.api_key)
        for number in range(10):
            grant(store, b"%d" % number)

        assert digests(store) == [b"other", b"7", b"8", b"9"]


def test_a_file_keeps_its_data_except_expired_tokens(file):
    with closing(opened(file)) as store:
        grant(store, b"short", 60.0)
        grant(store, b"long")
        store.renew_key("anna", "new key")

    with closing(Store.open(file, now=60.0)) as store:
        assert digests(store) == [b"long"]
        assert store.holder(b"long", now=60.0).api_key == "new key"


def test_a_file_is_readable_only_by_its_owner(file, tmp_path):
    with closing(opened(file)):
        modes = {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}

    assert modes == {0o600}


def test_another_process_may_renew_a_key_meanwhile(file):
    with closing(opened(file)) as store, closing(Store.open_existing(file)) as other:
        assert other.renew_key("anna", "new key")

        assert grant(store, b"t") is None


def test_reading_does_not_wait_for_a_writer_and_writing_has_a_timeout(file, monkeypatch):
    monkeypatch.setattr("tessel_oauth.store.BUSY_TIMEOUT_S", 0.01)
    with closing(opened(file)) as store, closing(sqlite3.connect(file)) as other:
        grant(store, b"t")
        other.execute("BEGIN IMMEDIATE")

        assert store.holder(b"t", now=0.0) == ANNA
        with pytest.raises(StoreError, match="locked"):
            store.renew_key("anna", "new key")


def test_a_failed_transaction_leaves_nothing_behind(store):
    grant(store, b"t")

    with pytest.raises(StoreError):
        grant(store, b"t")

    assert digests(store) == [b"t"]
    assert grant(store, b"u") == "anna"


def test_a_full_disk_is_an_error_and_stored_data_stays(file):
    with closing(opened(file)) as store:
        grant(store, b"t")
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages}")

        with pytest.raises(StoreError, match="full"):
            store.add_account(Account("carla", "", "x" * 100_000, "key"))

        assert store.holder(b"t", now=0.0) == ANNA
        assert store.renew_key("anna", "new key")


def test_a_closed_store_raises_an_error(store):
    store._connection.execute("DROP TABLE access_token")

    with pytest.raises(StoreError, match="no such table"):
        store.holder(b"t", now=0.0)


def test_open_existing_creates_no_file(file, tmp_path):
    with pytest.raises(StoreError, match="there is no database"):
        Store.open_existing(file)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("opening", [lambda path: Store.open(path, now=0.0), Store.open_existing])
def test_another_programs_database_is_not_changed(file, opening):
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE theirs (x)")

    with pytest.raises(StoreError, match="not a database of this service"):
        opening(file)


@pytest.mark.parametrize("opening", [lambda path: Store.open(path, now=0.0), Store.open_existing])
def test_a_file_that_is_not_a_database_is_not_changed(file, tmp_path, opening):
    (tmp_path / "oauth.sqlite").write_text("a letter to my aunt, long enough to be looked at" * 9)

    with pytest.raises(StoreError, match=r"cannot be opened: file is not a database"):
        opening(file)


def test_a_database_that_cannot_be_created_is_an_error(tmp_path):
    for place in (tmp_path / "missing" / "x.sqlite", tmp_path):
        with pytest.raises(StoreError, match="cannot be opened"):
            Store.open(str(place), now=0.0)
