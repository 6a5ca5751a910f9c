"""Programs made of the C client (clients/c), compiled when a test needs them, with sanitizers."""

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "clients" / "c"
CORE = CLIENT / "src"
POSIX = CLIENT / "examples" / "posix"
MBEDTLS = ["-lmbedtls", "-lmbedx509", "-lmbedcrypto"]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SANITIZED = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def compiler():
    """The C compiler's command, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def missing():
    """Say why programs with TLS cannot be built here; "" if they can."""
    if compiler() is None:
        return "no C compiler"
    if not Path("/usr/include/mbedtls/ssl.h").exists():
        return "no headers of mbedTLS (Debian: libmbedtls-dev)"
    return ""


def build(target, *arguments, options=SANITIZED, command=None):
    """Compile with strict warnings into the file `target`, and return it."""
    command = [command or compiler(), *STRICT, *options, f"-I{CORE}", f"-I{POSIX}"]
    arguments = [str(each) for each in arguments]
    subprocess.run([*command, "-o", str(target), *arguments], check=True)
    return target


def build_with_tls(target, source, **how):
    """Compile a program that uses the client over mbedTLS and POSIX sockets."""
    posix = ["-D_POSIX_C_SOURCE=200809L", source, POSIX / "tls.c", CORE / "streamplex.c"]
    return build(target, *posix, *MBEDTLS, **how)


@functools.cache
def driver():
    """Return the command of the battery's driver."""
    folder = tempfile.mkdtemp(prefix="c-client-")
    atexit.register(shutil.rmtree, folder)
    return [str(build_with_tls(Path(folder) / "driver", Path(__file__).with_name("c_driver.c")))]
