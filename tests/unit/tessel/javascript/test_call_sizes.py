"""Names and variables that are too long for a call to the device do not end or stop a program."""

import pytest

from support.javascript.on_device import run_on_device

LONG_NAME = "'x'.repeat(2 ** 21)"  # a call has at most 1 MiB
WAYS = (
    f"require('net').connect(80, {LONG_NAME}).on('error', told)",
    f"require('tls').connect(443, {LONG_NAME}).on('error', told)",
    f"require('http').get({{ host: {LONG_NAME} }}).on('error', told)",
    f"require('net').createServer().on('error', told).listen(0, {LONG_NAME})",
    f"require('dns').lookup({LONG_NAME}, told)",
    f"require('dns').resolve4({LONG_NAME}, told)",
    f"require('dgram').createSocket('udp4').send('x', 9, {LONG_NAME}, told)",
)


@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_is_too_long_for_a_call_is_not_found(tmp_path, way):
    told = "const told = ({ code }) => { console.log(code); process.exit(); };"
    ran = run_on_device(tmp_path, f"{told} {way};")
    assert (ran.code, ran.lines, ran.err) == (0, ["ENOTFOUND"], "")


@pytest.mark.parametrize(
    "change",
    [
        "for (let n = 0; n < 20; n += 1) process.env[`N${n}`] = 'x'.repeat(100_000);",
        "process.env.LONG = 'x'.repeat(2 ** 21);",
        "process.env = { ...process.env, COUNT: 3, NOTHING: undefined, NULL: null };",
    ],
)
def test_any_variables_may_be_set_before_a_connection(tmp_path, change):
    program = f"""
        {change}
        process.env.TM_API_KEY = 'k';
        require('net').connect(1, 'localhost');
    """
    ran = run_on_device(tmp_path, program)
    assert "PROXY_HOST is not set, but a token is" in ran.err  # the device has the last one, too
