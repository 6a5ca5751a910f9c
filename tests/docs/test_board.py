"""docs/board.md: its members exist, its input lines are accepted, and its example is true."""

import json
import re
from pathlib import Path

from support.javascript import BOARD, run_on_board

PAGE = (Path(__file__).parents[2] / "docs" / "board.md").read_text()

OBJECTS = """
var tessel = require('tessel'), port = tessel.port.A;
var objects = { tessel: tessel, port: port, pin: tessel.port.GPIO.pin.G4,
  analogpin: tessel.port.GPIO.pin.A1, spi: port.SPI(), i2c: port.I2C(3), uart: port.UART(),
  process: process, util: require('util'), os: require('os'), path: require('path'),
  tty: require('tty'), buf: Buffer.prototype, querystring: require('querystring'),
  url: require('url'), crypto: require('crypto'), tls: require('tls') };
objects.uart.disable();
"""


def section(title):
    return re.split(r"^## ", PAGE.split(f"\n## {title}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(title):
    lines = section(title).splitlines()
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
        if line.startswith("|") and not line.startswith("|---")
    ][1:]


def members(title, *states):
    found = [
        tuple(name.split("."))
        for cell, state, _ in rows(title)
        if state in states
        for name in re.findall(r"`(\w+\.\w+)`", cell)
    ]
    return sorted(set(found))


def ask(tmp_path, program):
    result = run_on_board(tmp_path, OBJECTS + program)
    assert result.code == 0, result.errors
    return json.loads(result.lines[-1])


def test_each_member_that_is_said_to_be_there_is_there(tmp_path):
    told = [
        member
        for title in ("Members of `tessel`", "The Node of the board")
        for member in members(title, "works", "differs")
    ]
    known = [
        member
        for member in told
        if member[0] not in ("fs", "hash", "server", "console", "socket", "request")
    ]
    assert len(known) > 80
    program = f"""
    console.log(JSON.stringify({json.dumps(known)}.filter(function (name) {{
      return !(name[1] in objects[name[0]]);
    }})));
    """
    assert ask(tmp_path, program) == []


def test_each_member_of_the_board_is_on_the_page(tmp_path):
    program = """
    var emitter = require('events').prototype, duplex = require('stream').Duplex.prototype;
    var names = ['tessel', 'port', 'pin', 'analogpin', 'spi', 'i2c', 'uart'];
    var all = [];
    names.forEach(function (name) {
      var chain = Object.getPrototypeOf(objects[name]);
      while (chain && chain !== emitter && chain !== duplex && chain !== Object.prototype) {
        Object.getOwnPropertyNames(chain).forEach(function (member) {
          if (member[0] !== '_' && typeof Object.getOwnPropertyDescriptor(chain, member).value
              === 'function' && member !== 'constructor') all.push([name, member]);
        });
        chain = Object.getPrototypeOf(chain);
      }
    });
    console.log(JSON.stringify(all));
    """
    there = {tuple(member) for member in ask(tmp_path, program)}
    told = set(members("Members of `tessel`", "works", "differs"))
    assert there - told - {("uart", "arrived")} == set()


def test_each_line_of_the_input_table_is_accepted(tmp_path):
    lines = [
        line.replace("\\|", "|")
        for _, cell, _ in rows("The input script")
        for line in re.findall(r"`([^`]+)`", cell)
    ]
    assert len(lines) > 15
    script = "\n".join(f"0 {line}" for line in lines)
    program = f"""
    var board = require({json.dumps(str(BOARD))});
    console.log(JSON.stringify(board.parseScript({json.dumps(script)}, 'page').length));
    """
    assert ask(tmp_path, program) == len(lines)


def test_the_example_does_what_the_page_says(tmp_path):
    script = re.findall(r"```text\n(.*?)```", section("A program with a sensor"), re.DOTALL)[0]
    program = """
    var tessel = require('tessel'), i2c = tessel.port.A.I2C(0x1d);
    i2c.transfer(new Buffer([1]), 6, function (error, raw) {
      var x = ((raw[0] << 8) | raw[1]) / 16 / 1024;
      tessel.led[0].output(x > 0.5);
    });
    """
    log = run_on_board(tmp_path, program, script).log
    shown = re.findall(r"```text\n(.*?)```", section("A program with a sensor"), re.DOTALL)[1]
    expected = [line.partition(" ")[2] for line in shown.splitlines()]
    assert log[-2:] == expected[:2]
