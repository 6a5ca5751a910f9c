"""Hostile bytes cannot crash, stall or grow the C client: sanitizers and a fuzzer."""

import shutil
import subprocess

import pytest

from support.clients import c_build

FUZZ = c_build.CLIENT / "fuzz" / "fuzz.c"
SOURCES = (FUZZ, c_build.CORE / "streamplex.c")
SECONDS = 8
SPARE_S = 60  # a busy machine starts late

pytestmark = pytest.mark.skipif(c_build.compiler() is None, reason="no C compiler")


def run(*command):
    command = [str(each) for each in command]
    how = {"capture_output": True, "text": True, "timeout": SECONDS + SPARE_S}
    return subprocess.run(command, check=False, **how)


def ended_well(*command):
    done = run(*command)
    assert done.returncode == 0, done.stderr[-4000:]
    return done


def test_random_conversations_break_no_promise(tmp_path):
    program = c_build.build(tmp_path / "fuzz", "-DSTANDALONE", *SOURCES)
    assert "none broke a promise" in ended_well(program, SECONDS).stdout


def test_a_coverage_guided_fuzzer_finds_nothing(tmp_path):
    clang = shutil.which("clang")
    if clang is None:
        pytest.skip("no clang")
    options = ["-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    try:
        program = c_build.build(tmp_path / "fuzz", *SOURCES, options=options, command=clang)
    except subprocess.CalledProcessError:
        pytest.skip("clang has no libFuzzer (Debian: libclang-rt-14-dev)")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    limits = f"-max_total_time={SECONDS}", "-max_len=2000"
    ended_well(program, *limits, f"-artifact_prefix={tmp_path}/", corpus)


def test_the_fuzzer_notices_a_broken_promise(tmp_path):
    """The proxy may send more than was granted if the check of the window is taken out."""
    source = (c_build.CORE / "streamplex.c").read_text()
    check = "t->body_left > stream->left"
    assert source.count(check) == 1
    broken = tmp_path / "streamplex.c"
    broken.write_text(source.replace(check, "0"))
    program = c_build.build(tmp_path / "fuzz", "-DSTANDALONE", FUZZ, broken)
    done = run(program, SECONDS)
    assert done.returncode != 0
    assert "not true" in done.stderr
