"""The rules of the token service, without HTTP: API key to access token, access token to account.

Nothing here blocks the reactor: the store and scrypt run in threads of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from twisted.internet.interfaces import IReactorFromThreads

from tessel_oauth import tokens
from tessel_oauth.config import Config
from tessel_oauth.errors import StoreError, invalid_client, invalid_request, invalid_token
from tessel_oauth.parameters import Credentials
from tessel_oauth.store import Account, Client, Store, TokenRecord
from tessel_oauth.worker import Worker
from tessel_service_kit.clocks import SteadyTime

DEVICE_GRANT: Final = "https://tessel-grant"
GRANT_TYPES: Final = frozenset({DEVICE_GRANT})  # allowed for the client

# The grant types of the original server. Ours allows only GRANT_TYPES; the error for the others is
# invalid_client, and for unknown ones invalid_request.
KNOWN_GRANT_TYPES: Final = GRANT_TYPES | {"authorization_code", "password", "refresh_token"}

# Jobs that may wait. Each connection waits for one response at a time, so MAX_CONNECTIONS stay
# below this limit unless clients disconnect early. Beyond it, a 503 at once is better than a late
# response.
MAX_WAITING: Final = 512
HASHING_THREADS: Final = 2  # each uses a core, and 16 MiB for scrypt


@dataclass(frozen=True, slots=True)
class Grant:
    """A new access token, its account, and its lifetime in seconds (None: it never expires)."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)  # sent as the original does; it is not valid anywhere
    account: str
    expires_in: int | None


class TokenService:
    """Grants access tokens for API keys, and finds the accounts of access tokens.

    Call `open` before use, and `close` once at the end.
    """

    def __init__(
        self,
        config: Config,
        now: SteadyTime,
        threads: IReactorFromThreads,
        random: tokens.Random,
    ) -> None:
        self._config = config
        self._now = now
        self._random = random
        self._storing = Worker(threads, "store", threads=1, max_waiting=MAX_WAITING)
        self._hashing = Worker(threads, "hashing", threads=HASHING_THREADS, max_waiting=MAX_WAITING)
        self._opened: Store | None = None
        self._decoy = ""

    async def open(self) -> str | None:
        """Open the database, and create or update the client and the account of the settings.

        Returns:
            the API key that was generated for the account, to be shown once; None if the account
            existed already, or its key is a setting.
        """
        self._storing.start()
        self._hashing.start()
        self._opened = await self._storing.run(Store.open, self._config.database, now=self._now())
        self._decoy = await self._hash(tokens.new_api_key(self._random))
        await self._seed_client()
        return await self._seed_account()

    async def close(self) -> None:
        """Finish running jobs and close the database. Waiting jobs fail with OverloadError."""
        await self._hashing.stop(lambda: None)
        await self._storing.stop(self._close_store)

    async def grant(self, who: Credentials, grant_type: str, api_key: str | None) -> Grant:
        """Return a new access token for the account with this API key.

        Args:
            who: the credentials of the client that makes the request.
            grant_type: the OAuth grant type of the request.
            api_key: the API key of the account; None: the request has none, which is an error.

        Raises:
            OAuthError: the client, the grant type or the API key is wrong.
            UnavailableError: the store failed or is overloaded.
        """
        client = await self._authenticated(who)
        if grant_type not in client.grants:
            raise invalid_client("this client may not use this grant_type")
        if grant_type != DEVICE_GRANT:
            raise invalid_request("this service has no such grant")
        if who.body_client_id not in (None, client.id):
            raise invalid_request("client_id differs between the Authorization header and the body")
        if api_key is None:
            raise invalid_request("api_key is missing")
        access_token = tokens.new_access_token(self._random)
        now = self._now()
        lifetime = self._config.token_lifetime_s
        record = TokenRecord(tokens.digest(access_token), client.id, tokens.expiry(now, lifetime))
        account = await self._storing.run(self._store.add_token, record, api_key=api_key, now=now)
        if account is None:
            raise invalid_request("api_key is unknown")
        refresh_token = tokens.new_access_token(self._random)
        return Grant(access_token, refresh_token, account, lifetime)

    async def account(self, access_token: str) -> Account:
        """Return the account that an access token belongs to.

        Raises:
            OAuthError: invalid_token, if the token is unknown or expired.
            UnavailableError: the store failed or is overloaded.
        """
        account = await self._storing.run(
            self._store.holder, tokens.digest(access_token), now=self._now()
        )
        if account is None:
            raise invalid_token("the access token is unknown or expired")
        return account

    async def _authenticated(self, who: Credentials) -> Client:
        client = await self._storing.run(self._store.client, who.client_id)
        # An unknown client takes as much time and gets the same text as a wrong secret, so that
        # nobody can find out which clients exist.
        stored = client.secret_hash if client else self._decoy
        matches = await self._hashing.run(tokens.secret_matches, who.client_secret, stored)
        if client is None or not matches:
            raise invalid_client("no such client, or its secret is wrong")
        return client

    async def _seed_client(self) -> None:
        # The settings override the stored client: a changed secret is valid from now on.
        secret_hash = await self._hash(self._config.client_secret)
        client = Client(self._config.client_id, secret_hash, GRANT_TYPES)
        await self._storing.run(self._store.put_client, client)

    async def _seed_account(self) -> str | None:
        # The stored account overrides the settings: a renewed key stays valid.
        name = self._config.seed_account
        given = self._config.seed_api_key
        api_key = given or tokens.new_api_key(self._random)
        made = await self._storing.run(
            self._store.add_account, Account(name, f"{name}@localhost", name, api_key)
        )
        return api_key if made and given is None else None

    async def _hash(self, secret: str) -> str:
        return await self._hashing.run(tokens.hash_secret, secret, self._random)

    @property
    def _store(self) -> Store:
        if self._opened is None:
            raise StoreError("the database is not open")
        return self._opened

    def _close_store(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
