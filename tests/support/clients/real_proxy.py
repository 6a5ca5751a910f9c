"""A proxy process for clients, which may reach the targets on this machine."""

from contextlib import contextmanager

from support.hardening.proxy import TOKEN, running_proxy


@contextmanager
def proxy_to(targets, authority, folder):
    """Run a proxy until the end of the block; its `authority_file` is what clients trust."""
    settings = {
        "AUTH_HARDCODED": TOKEN,
        "EGRESS_ALLOW": "127.0.0.1/32 ::1/128",
        "TARGET_CA_FILE": str(targets.ca_file),
        "DRAIN_S": "0",
    }
    authority.cert_pem.write_to_path(folder / "authority.pem")
    with running_proxy(folder, authority, settings) as proxy:
        proxy.authority_file = folder / "authority.pem"
        yield proxy
