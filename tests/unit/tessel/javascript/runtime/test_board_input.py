"""The input script: what is accepted, and the fault of each wrong line."""

import json
import random

import pytest

from support.javascript import BOARD, run_on_board

PARSE = f"""
var board = require({json.dumps(str(BOARD))});
var texts = JSON.parse(require('fs').readFileSync('texts.json'));
console.log(JSON.stringify(texts.map(function (text) {{
  try {{ return board.parseScript(text, 'f'); }} catch (error) {{ return error.faults; }}
}})));
"""

WORDS = """
0 1 +1 1e9 button A.G1 GPIO.A1 A.i2c.1d A.i2c. A.spi A.uart board press high once wire pulse
analog answer registers data message to | # 0d 2a "x" {} . ..
"""

WRONG = {
    "soon button press": 'saw "soon"; allowed: seconds since the start',
    "-1 button press": 'saw "-1"; allowed: seconds since the start',
    "1e3 button press": 'saw "1e3"; allowed: seconds since the start',
    "99999999 button press": 'saw "99999999"; allowed: seconds since the start',
    "1 button press\n0.5 button release": 'f:2: saw "0.5"; allowed: 1 or later',
    "1": 'saw ""; allowed: a subject after the time',
    "1 knob press": 'saw "knob"; allowed: a subject such as button',
    "1 a.g1 high": 'saw "a.g1"; allowed: a subject',
    "1 A.G4 high": 'saw "A.G4"; allowed: a subject',
    "1 A.A1 analog 0": 'saw "A.A1"; allowed: a subject',
    "1 C.uart data 00": 'saw "C.uart"; allowed: a subject',
    "1 A.i2c.1 remove": 'saw "1"; allowed: an I2C address from 03 to 77',
    "1 A.i2c.78 remove": 'saw "78"; allowed: an I2C address from 03 to 77',
    "1 A.i2c remove": 'saw ""; allowed: an I2C address',
    "1 button": 'saw ""; allowed: press, release after button',
    "1 button constructor": 'saw "constructor"; allowed: press, release',
    "1 button press twice": 'saw "twice"; allowed: nothing after this word',
    "1 A.G1 high twice": 'saw "twice"; allowed: "once", or nothing',
    "1 GPIO.A1 analog 1.5": 'saw "1.5"; allowed: a number from 0',
    "1 GPIO.A1 analog": 'saw ""; allowed: a number from 0',
    "1 GPIO.G3 pulse up 5": 'saw "up 5"; allowed: high or low',
    "1 GPIO.G3 pulse high 10001": 'saw "10001"; allowed: at most 10000 ms',
    "1 A.G1 wire A.G9": 'saw "A.G9"; allowed: one of A.G1',
    "1 A.spi answer": 'saw ""; allowed: bytes such as 0d 2a',
    "1 A.spi answer 1": 'saw "1"; allowed: bytes such as 0d 2a',
    "1 A.spi answer 01 | to 02": "allowed: bytes such as 0d 2a, or text",
    "1 A.spi answer 01 to": 'saw ""; allowed: bytes',
    '1 A.uart data "x': 'saw "\\"x"; allowed: text in double quotes',
    '1 A.uart data "\\q"': "allowed: text in double quotes, with the escapes of JSON",
    "1 A.i2c.1d registers 0d": 'saw "0d"; allowed: a register such as 0d, and the bytes',
    "1 board message {": 'saw "{"; allowed: a JSON value',
}


def parsed(folder, texts):
    (folder / "texts.json").write_text(json.dumps(texts))
    result = run_on_board(folder, PARSE)
    assert result.code == 0, result.errors
    return json.loads(result.lines[0])


def test_each_wrong_line_has_a_fault_that_says_what_is_allowed(tmp_path):
    answers = parsed(tmp_path, list(WRONG))
    for (text, expected), faults in zip(WRONG.items(), answers, strict=True):
        assert len(faults) == 1, (text, faults)
        assert faults[0].startswith("f:"), text
        assert expected in faults[0], (text, faults)


def test_comments_spaces_and_times_are_understood(tmp_path):
    text = """
    # a comment
    0.5  button   press  # another one
    +0.25 A.uart data "a # b" 0D   \r
    +0 A.G1 low once
    """
    [entries] = parsed(tmp_path, [text])
    assert [(entry["timeMs"], entry["name"], entry["verb"]) for entry in entries] == [
        (500, "button", "press"),
        (750, "A.uart", "data"),
        (750, "A.G1", "low"),
    ]
    assert bytes(entries[1]["value"]["data"]) == b"a # b\r"


def test_any_text_gives_entries_or_faults_and_nothing_else(tmp_path):
    chance = random.Random(13)
    words = [*WORDS.split(), '"', "\\", "\0", "\t", "\n"]
    texts = [" ".join(chance.choices(words, k=chance.randrange(9))) for _ in range(5000)]
    answers = parsed(tmp_path, texts)
    assert len(answers) == len(texts)
    assert all(isinstance(item, str | dict) for answer in answers for item in answer)


def test_many_faults_are_counted(tmp_path):
    [faults] = parsed(tmp_path, ["wrong\n" * 30])
    assert len(faults) == 11
    assert faults[-1] == "f: 20 more lines are wrong"


def test_a_wrong_script_ends_the_run_before_the_program_starts(tmp_path):
    result = run_on_board(tmp_path, "console.log('started')", "\n1 button hit")
    assert (result.code, result.lines) == (1, [])
    assert result.errors.startswith(f'{tmp_path}/board.input:2: saw "hit"; allowed: press, release')


@pytest.mark.parametrize("name", ["TESSEL_BOARD_INPUT", "TESSEL_BOARD_LOG"])
def test_a_file_that_cannot_be_used_is_named_with_its_setting(tmp_path, name):
    result = run_on_board(tmp_path, "console.log('started')", **{name: "no/such/file"})
    assert (result.code, result.lines) == (1, [])
    assert result.errors.startswith(f"{name}=no/such/file: ENOENT; allowed: a")
