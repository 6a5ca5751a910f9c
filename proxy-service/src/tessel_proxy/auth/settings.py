"""Settings of the authenticators: the sources of valid tokens, and how often they are asked."""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tessel_proxy.auth.settings_parsers import (
    TokenService,
    plugin_name,
    shared_tokens,
    token_service,
)
from tessel_service_kit.parsers import integer, optional, seconds, seconds_or_none
from tessel_service_kit.settings import Settings, setting

HOW_TO_MAKE = "`(umask 077; head -c 24 /dev/urandom | base64 > {path})` makes one"
NO_AUTHENTICATOR = (
    "no authenticator is set; allowed: AUTH_HARDCODED=<a token that all devices share>, "
    "AUTH_HARDCODED_FILE=<a file that holds it: "
    f"{HOW_TO_MAKE.format(path='FILE')}>, "
    "AUTH_TESSEL_OA2=http(s)://CLIENT_ID:CLIENT_SECRET@HOST[:PORT], "
    "AUTH_FILE=<accounts and hashes of their tokens>, "
    "or AUTH_PLUGIN=package.module:callable"
)


@dataclass(frozen=True, kw_only=True)
class AuthSettings(Settings):
    """The settings that say how tokens are checked, and how often."""

    auth_tessel_oa2: TokenService | None = setting(
        "AUTH_TESSEL_OA2",
        "",
        "URL of the token service that checks tokens: http(s)://CLIENT_ID:CLIENT_SECRET@HOST; "
        "unset: no token service. AUTH_TESSEL_OA2_FILE is read again on SIGHUP and when it changes",
        optional(token_service),
        secret=True,
    )
    auth_hardcoded: tuple[str, ...] | None = setting(
        "AUTH_HARDCODED",
        "",
        "token that all devices share, or several tokens, one on each line; unset: no shared "
        "token. Ignored if AUTH_TESSEL_OA2 is set. AUTH_HARDCODED_FILE is read again on SIGHUP and "
        "when it changes",
        optional(shared_tokens),
        secret=True,
        how_to_make=HOW_TO_MAKE,
    )
    auth_plugin: str | None = setting(
        "AUTH_PLUGIN",
        "",
        "your own Python function that checks tokens, as package.module:callable. It is used "
        "instead of all other authenticators and loaded once, at the start; unset: none",
        optional(plugin_name),
    )
    auth_file: Path | None = setting(
        "AUTH_FILE",
        "",
        "file of accounts and hashes of their tokens, made by tessel-proxy hash-token; unset: "
        "none. Tokens are looked up in this file first; a token that it does not contain is "
        "checked by the token service or compared with the shared token. Read again on SIGHUP "
        "and when it changes",
        optional(Path),
    )
    invitations_dir: Path | None = setting(
        "INVITATIONS_DIR",
        "",
        "folder of invitations that tessel-proxy invite makes, which the proxy must be able to "
        "write; unset: the folder invitations beside AUTH_FILE",
        optional(Path),
    )
    auth_timeout_s: float = setting(
        "AUTH_TIMEOUT_S",
        "10",
        "seconds to wait for a token after the TLS handshake before the tunnel is closed, and "
        "seconds to wait for the result of a token check before the check fails",
        seconds,
    )
    auth_cache_s: float = setting(
        "AUTH_CACHE_S",
        "30",
        "seconds to cache the result of a token check; 0: no caching",
        seconds_or_none,
    )
    auth_stale_s: float = setting(
        "AUTH_STALE_S",
        "300",
        "grace period in seconds in which tokens that were accepted before stay valid while they "
        "cannot be checked; 0: no grace period",
        seconds_or_none,
    )
    auth_recheck_s: float = setting(
        "AUTH_RECHECK_S",
        "60",
        "seconds between two checks of the token of an open tunnel; 0: no further checks",
        seconds_or_none,
    )
    max_wrong_tokens: int = setting(
        "MAX_WRONG_TOKENS",
        "50",
        "different wrong tokens that one address (IPv6: one /64 network) may send in ten minutes; "
        "after that, only tokens that were accepted from this address before are checked",
        integer(1, 1_000_000),
    )
    auth_penalty_s: float = setting(
        "AUTH_PENALTY_S",
        "300",
        "maximum backoff in seconds between two checks of the same wrong token from one address; "
        "the first is 1 s, and each further one is twice as long; 0: no backoff, and "
        "MAX_WRONG_TOKENS is ignored",
        seconds_or_none,
    )
