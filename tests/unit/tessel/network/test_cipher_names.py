"""IANA's names of ciphers, compared with those of the `openssl` program."""

import re
import shutil
import subprocess

import pytest

from tessel.network.cipher_names import standard_name

OPENSSL = shutil.which("openssl")
ALL = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
        ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        ("DHE-RSA-AES256-CCM8", "TLS_DHE_RSA_WITH_AES_256_CCM_8"),
        ("AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"),
        ("ECDHE-RSA-AES256-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
        ("ECDHE-ARIA256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384"),
        ("DHE-PSK-AES128-CCM8", "TLS_PSK_DHE_WITH_AES_128_CCM_8"),
        ("ADH-CAMELLIA128-SHA", "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA"),
        ("SRP-RSA-AES-128-CBC-SHA", "TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA"),
        ("IDEA-CBC-SHA", "TLS_RSA_WITH_IDEA_CBC_SHA"),
        ("NULL-SHA256", "TLS_RSA_WITH_NULL_SHA256"),
        ("something new", "something new"),
    ],
)
def test_a_cipher_has_its_name_of_the_standard(name, standard):
    assert standard_name(name) == standard


@pytest.mark.skipif(OPENSSL is None, reason="no openssl program")
def test_all_ciphers_have_the_names_that_openssl_gives_them():
    done = subprocess.run(
        [OPENSSL, "ciphers", "-stdname", ALL], capture_output=True, text=True, check=True
    )
    pairs = re.findall(r"^(\S+)\s+- (\S+)", done.stdout, re.MULTILINE)
    assert len(pairs) > 100
    assert {name: standard_name(name) for _, name in pairs} == {name: std for std, name in pairs}
