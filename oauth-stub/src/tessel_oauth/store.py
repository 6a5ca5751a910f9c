"""The SQLite database of clients, accounts and access tokens. It blocks: use it in a worker thread.

    client        an OAuth client, such as a proxy, which may ask for tokens
    account       an owner of devices, with one API key
    access_token  a token's digest, client, account and expiry; expires_at NULL: it never expires

Another process may write to the same file at the same time (`tessel-oauth renew-key`): SQLite's
write-ahead log allows it, and a transaction waits for the other one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tessel_oauth.config import IN_MEMORY
from tessel_oauth.errors import StoreError
from tessel_service_kit.files import reason

BUSY_TIMEOUT_S: Final = 5.0  # other processes lock the file for milliseconds only

# Number of newest tokens kept for each client and account; older ones become invalid. All devices
# of an owner share one account, and the proxy checks the token of an open tunnel again and again.
# The limit is therefore far above an owner's number of devices. It takes about 100 KiB.
TOKENS_KEPT: Final = 1000

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = (
    """CREATE TABLE client (
        id TEXT PRIMARY KEY,
        secret_hash TEXT NOT NULL,
        grants TEXT NOT NULL  -- grant types, separated by spaces
    )""",
    """CREATE TABLE account (
        username TEXT PRIMARY KEY,
        email TEXT NOT NULL,
        name TEXT NOT NULL,
        api_key TEXT NOT NULL UNIQUE
    )""",
    """CREATE TABLE access_token (
        serial INTEGER PRIMARY KEY,  -- grows with each grant
        digest BLOB NOT NULL UNIQUE,
        client_id TEXT NOT NULL REFERENCES client (id),
        username TEXT NOT NULL REFERENCES account (username),
        expires_at REAL
    )""",
    "CREATE INDEX access_token_by_holder ON access_token (client_id, username, serial)",
    "CREATE INDEX access_token_by_expiry ON access_token (expires_at)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client, such as a proxy, which may exchange API keys for access tokens."""

    id: str
    secret_hash: str
    grants: frozenset[str]


@dataclass(frozen=True, slots=True)
class Account:
    """An owner of devices, with a name and one API key."""

    username: str
    email: str
    name: str
    api_key: str


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """An access token as the database stores it.

    It has the token's digest, its client and its expiry.
    """

    digest: bytes
    client_id: str
    expires_at: float | None


class Store:
    """The database, through one connection that only one thread may use.

    Each method is one transaction, and raises StoreError if SQLite fails.
    """

    def __init__(self, connection: sqlite3.Connection, tokens_kept: int) -> None:
        self._connection = connection
        self._tokens_kept = tokens_kept

    @classmethod
    def open(cls, database: str, *, now: float, tokens_kept: int = TOKENS_KEPT) -> Store:
        """Open a database, or create it. A new file is readable by its owner only: it holds keys.

        Args:
            database: a path, or `:memory:`.
            now: seconds since 1970; tokens that expired before are deleted.
            tokens_kept: number of tokens to keep for each client and account.
        """
        if database != IN_MEMORY:
            _ensure_file(database)
        connection = _connect(database)
        with _closed_on_failure(connection, database):
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA journal_mode = WAL")
            _ensure_schema(connection)
            store = cls(connection, tokens_kept)
            with store._transaction():
                store._forget_expired(now)
        return store

    @classmethod
    def open_existing(cls, database: str) -> Store:
        """Open the database file that a server has created.

        Raises:
            StoreError: there is no such file, or it is not a database of this service.
        """
        if not Path(database).is_file():
            raise StoreError(f"there is no database {database!r}; the server creates it")
        connection = _connect(database)
        with _closed_on_failure(connection, database):
            if _schema_version(connection) != SCHEMA_VERSION:
                raise sqlite3.DatabaseError("it is not a database of this service")
        return cls(connection, TOKENS_KEPT)

    def close(self) -> None:
        """Close the connection to the database."""
        self._connection.close()

    def put_client(self, client: Client) -> None:
        """Create a client, or replace the one with the same id. Its earlier tokens stay valid."""
        with self._transaction() as run:
            run.execute(
                "INSERT INTO client (id, secret_hash, grants) VALUES (?, ?, ?) ON CONFLICT (id)"
                " DO UPDATE SET secret_hash = excluded.secret_hash, grants = excluded.grants",
                (client.id, client.secret_hash, " ".join(sorted(client.grants))),
            )

    def client(self, client_id: str) -> Client | None:
        """Return the client with this id, or None."""
        row = self._row("SELECT id, secret_hash, grants FROM client WHERE id = ?", client_id)
        return Client(row[0], row[1], frozenset(row[2].split())) if row else None

    def add_account(self, account: Account) -> bool:
        """Create an account and return True. False: the name exists already."""
        with self._transaction() as run:
            made = run.execute(
                "INSERT INTO account (username, email, name, api_key) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (username) DO NOTHING",
                (account.username, account.email, account.name, account.api_key),
            )
        return made.rowcount == 1

    def renew_key(self, username: str, api_key: str) -> bool:
        """Replace an account's API key and return True. False: there is no such account."""
        with self._transaction() as run:
            renewed = run.execute(
                "UPDATE account SET api_key = ? WHERE username = ?", (api_key, username)
            )
        return renewed.rowcount == 1

    def add_token(self, token: TokenRecord, *, api_key: str, now: float) -> str | None:
        """Store a token for the account with this API key; delete expired and superseded tokens.

        Checking the key and storing the token are one transaction, so that a key that another
        process replaces at the same time is either valid or not.

        Returns:
            the account's name; None if the key is unknown, and then nothing is stored.
        """
        with self._transaction() as run:
            account = run.execute(
                "SELECT username FROM account WHERE api_key = ?", (api_key,)
            ).fetchone()
            if account is None:
                return None
            username: str = account[0]
            run.execute(
                "INSERT INTO access_token (digest, client_id, username, expires_at)"
                " VALUES (?, ?, ?, ?)",
                (token.digest, token.client_id, username, token.expires_at),
            )
            self._forget_expired(now)
            self._forget_superseded(token.client_id, username)
        return username

    def holder(self, digest: bytes, *, now: float) -> Account | None:
        """Return the account of the access token with this digest.

        None: the token is unknown, or has expired at `now` (seconds since 1970).
        """
        row = self._row(
            "SELECT username, email, name, api_key FROM access_token JOIN account"
            " USING (username) WHERE digest = ? AND (expires_at IS NULL OR expires_at > ?)",
            digest,
            now,
        )
        return Account(*row) if row else None

    def _forget_expired(self, now: float) -> None:
        self._connection.execute("DELETE FROM access_token WHERE expires_at <= ?", (now,))

    def _forget_superseded(self, client_id: str, username: str) -> None:
        self._connection.execute(
            "DELETE FROM access_token WHERE client_id = :client AND username = :username"
            " AND serial <= (SELECT serial FROM access_token WHERE client_id = :client"
            " AND username = :username ORDER BY serial DESC LIMIT 1 OFFSET :kept)",
            {"client": client_id, "username": username, "kept": self._tokens_kept},
        )

    def _row(self, query: str, *values: str | bytes | float) -> tuple[Any, ...] | None:
        """Return the first row, or None. A single SELECT needs no transaction."""
        with _store_errors():
            row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return row

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements in one transaction; raise StoreError if SQLite fails."""
        with _store_errors(), _transaction(self._connection) as connection:
            yield connection


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the database failed: {error}") from error


def _ensure_file(database: str) -> None:
    try:
        Path(database).touch(mode=0o600)
    except OSError as error:
        raise _unopened(database, error) from error


def _connect(database: str) -> sqlite3.Connection:
    try:
        # isolation_level None: sqlite3 begins no transactions by itself.
        return sqlite3.connect(database, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    except sqlite3.Error as error:
        raise _unopened(database, error) from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    # IMMEDIATE takes the write lock at once. Else a transaction that reads first and then writes
    # fails if another process wrote in between, without waiting for the busy timeout.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # after some errors, SQLite has rolled back already
            connection.execute("ROLLBACK")
        raise


def _schema_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _ensure_schema(connection: sqlite3.Connection) -> None:
    with _transaction(connection):  # two servers may start with the same new file
        if _schema_version(connection) == SCHEMA_VERSION:
            return
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError("it is not a database of this service")
        for statement in _SCHEMA:
            connection.execute(statement)


@contextmanager
def _closed_on_failure(connection: sqlite3.Connection, database: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, StoreError) as error:
        connection.close()
        raise _unopened(database, error) from error


def _unopened(database: str, error: Exception) -> StoreError:
    why = reason(Path(database), error) if isinstance(error, OSError) else str(error)
    return StoreError(f"the database {database!r} cannot be opened: {why}")
