"""The name of a TLS cipher in the standard (IANA), from OpenSSL's name. Pure.

`cryptography` does not offer OpenSSL's `SSL_CIPHER_standard_name`. OpenSSL's names follow rules,
with the few exceptions below; a test compares all names with those of the `openssl` program.
"""

from __future__ import annotations

import re

_KEY_EXCHANGES = {
    "": "RSA",
    "ADH": "DH_anon",
    "AECDH": "ECDH_anon",
    "ECDHE": "ECDHE_RSA",  # only of ARIA
    "SRP": "SRP_SHA",
    "SRP_DSS": "SRP_SHA_DSS",
    "SRP_RSA": "SRP_SHA_RSA",
}
"""Key exchanges with another name in the standard. `DHE_RSA`, `ECDHE_ECDSA`, `PSK` and others have
the same."""

_CIPHER = re.compile(r"(?:^|-)(AES|ARIA|CAMELLIA|CHACHA20|DES|IDEA|NULL|RC4|SEED)-?(\d*)(?:-|$)")
_MODES = {
    "CCM8": "CCM_8",
    "POLY1305": "POLY1305_SHA256",
    **{f"SHA{bits}": f"CBC_SHA{bits}" for bits in ("", "256", "384")},  # not named by OpenSSL
}
_EXCEPTIONS = {
    "DHE-PSK-AES128-CCM8": "TLS_PSK_DHE_WITH_AES_128_CCM_8",  # RFC 6655 names these two so
    "DHE-PSK-AES256-CCM8": "TLS_PSK_DHE_WITH_AES_256_CCM_8",
}


def standard_name(name: str) -> str:
    """Return the name of a cipher in the standard.

    Example: "ECDHE-RSA-AES128-GCM-SHA256" is "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256". The ciphers
    of TLS 1.3 have only this one name. A name of an unknown form is returned as it is.
    """
    found = _CIPHER.search(name)
    if name in _EXCEPTIONS or name.startswith("TLS_") or found is None:
        return _EXCEPTIONS.get(name, name)
    exchange = name[: found.start()].replace("-", "_")
    mode = name[found.end() :]
    if found[1] != "NULL":
        mode = _MODES.get(mode, mode)
    parts = [found[1], found[2], mode.replace("-", "_")]
    algorithms = "_".join(part for part in parts if part)
    return f"TLS_{_KEY_EXCHANGES.get(exchange, exchange)}_WITH_{algorithms}"
