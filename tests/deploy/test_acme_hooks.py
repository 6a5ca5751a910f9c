"""The hooks that install a renewed certificate, called as certbot and lego call them."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import trustme

from support.acl import ACL, allow_to

ACME = Path(__file__).parents[2] / "deploy" / "acme"
HOOK_SECONDS = 30

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture
def made(tmp_path):
    """A new certificate in a folder like certbot's, with a symbolic link."""
    folder = tmp_path / "live" / "proxy.example.com"
    folder.mkdir(parents=True)
    issued = trustme.CA().issue_cert("proxy.example.com")
    issued.private_key_pem.write_to_path(folder / "privkey1.pem")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(folder / "fullchain1.pem", append=True)
    (folder / "privkey.pem").symlink_to("privkey1.pem")
    (folder / "fullchain.pem").symlink_to("fullchain1.pem")
    return folder


@pytest.fixture
def folder(tmp_path):
    """The proxy's folder, with an older certificate and key."""
    found = tmp_path / "tls"
    found.mkdir()
    (found / "public-cert.pem").write_text("old chain")
    (found / "private-key.pem").write_text("old key")
    return found


def run(hook, folder, *args, **environ):
    return subprocess.run(
        [ACME / hook, *args],
        env={
            "PATH": os.environ["PATH"],
            "TESSEL_CERTIFICATES": str(folder),
            "TESSEL_OWNER": f"{os.getuid()}:{os.getgid()}",
            "TESSEL_INSTALL": str(ACME / "install-certificate"),
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=HOOK_SECONDS,
        check=False,
    )


def in_place(folder):
    return (folder / "public-cert.pem").read_text(), (folder / "private-key.pem").read_text()


def given(made):
    return (made / "fullchain.pem").read_text(), (made / "privkey.pem").read_text()


def given_to(made):
    """Return the environment variables of both hooks."""
    return {
        "RENEWED_LINEAGE": str(made),
        "LEGO_CERT_PATH": str(made / "fullchain.pem"),
        "LEGO_CERT_KEY_PATH": str(made / "privkey.pem"),
    }


def names_in(folder):
    return sorted(each.name for each in folder.iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_certbots_hook_puts_the_pair_in_place_by_renaming(folder, made, tmp_path):
    before = (folder / "public-cert.pem").stat().st_ino
    reload = f"echo reloaded >> {tmp_path}/reloads"
    done = run("certbot-deploy-hook", folder, RENEWED_LINEAGE=str(made), TESSEL_RELOAD=reload)
    assert done.returncode == 0, done.stderr
    assert in_place(folder) == given(made)
    assert (folder / "public-cert.pem").stat().st_ino != before
    assert mode(folder / "private-key.pem") == 0o640
    assert mode(folder / "public-cert.pem") == 0o644
    assert names_in(folder) == ["private-key.pem", "public-cert.pem"]
    assert (tmp_path / "reloads").read_text() == "reloaded\n"


@pytest.mark.skipif(os.getuid() != 0, reason="owners are root's to give")
@pytest.mark.parametrize("hook", ["certbot-deploy-hook", "lego-hook"])
def test_a_renewal_keeps_owner_group_and_mode(folder, made, hook):
    before = {"public-cert.pem": (0, 23_456, 0o444), "private-key.pem": (12_345, 23_456, 0o440)}
    for name, (uid, gid, file_mode) in before.items():
        os.chown(folder / name, uid, gid)
        (folder / name).chmod(file_mode)
    done = run(hook, folder, TESSEL_OWNER="", **given_to(made))
    assert done.returncode == 0, done.stderr
    assert in_place(folder) == given(made)
    for name, access in before.items():
        found = (folder / name).stat()
        assert (found.st_uid, found.st_gid, mode(folder / name)) == access


def test_a_renewal_keeps_the_access_control_list(folder, made):
    allow_to(folder / "private-key.pem", 12_345)
    before = os.getxattr(folder / "private-key.pem", ACL)
    done = run("certbot-deploy-hook", folder, TESSEL_OWNER="", RENEWED_LINEAGE=str(made))
    assert done.returncode == 0, done.stderr
    assert in_place(folder) == given(made)
    assert os.getxattr(folder / "private-key.pem", ACL) == before


@pytest.mark.skipif(os.getuid() != 0, reason="owners are root's to give")
def test_first_files_get_the_owner_and_group_of_their_folder(folder, made):
    for name in names_in(folder):
        (folder / name).unlink()
    os.chown(folder, 0, 23_456)
    done = run("certbot-deploy-hook", folder, TESSEL_OWNER="", RENEWED_LINEAGE=str(made))
    assert done.returncode == 0, done.stderr
    for name, expected in (("public-cert.pem", 0o644), ("private-key.pem", 0o640)):
        found = (folder / name).stat()
        assert (found.st_uid, found.st_gid, mode(folder / name)) == (0, 23_456, expected)


def test_certbots_hook_leaves_other_certificates_of_the_host_alone(folder, made):
    done = run(
        "certbot-deploy-hook", folder, RENEWED_LINEAGE=str(made), TESSEL_NAME="www.example.com"
    )
    assert done.returncode == 0, done.stderr
    assert in_place(folder) == ("old chain", "old key")


def test_legos_hook_does_the_same(folder, made):
    done = run(
        "lego-hook",
        folder,
        LEGO_CERT_PATH=str(made / "fullchain.pem"),
        LEGO_CERT_KEY_PATH=str(made / "privkey.pem"),
    )
    assert done.returncode == 0, done.stderr
    assert in_place(folder) == given(made)


def test_a_key_of_another_certificate_changes_nothing(folder, made):
    other = made / "other.pem"
    trustme.CA().issue_cert("x.example.com").private_key_pem.write_to_path(other)
    done = run("install-certificate", folder, made / "fullchain.pem", other)
    assert done.returncode == 1
    assert "is not the key of" in done.stderr
    assert in_place(folder) == ("old chain", "old key")


def test_a_file_that_is_cut_short_changes_nothing(folder, made):
    (made / "fullchain1.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    done = run("certbot-deploy-hook", folder, RENEWED_LINEAGE=str(made))
    assert done.returncode != 0
    assert in_place(folder) == ("old chain", "old key")
    assert names_in(folder) == ["private-key.pem", "public-cert.pem"]


@pytest.mark.parametrize("hook", ["certbot-deploy-hook", "lego-hook", "install-certificate"])
def test_a_hook_without_its_environment_reports_it(folder, hook):
    done = run(hook, folder)
    assert done.returncode != 0
    assert done.stderr
