"""The board's modules and its Node in a program that a device runs."""

import pytest

from support.javascript.on_device import run_on_device, run_on_node
from support.node import is_of_the_record


def ran(tmp_path, text, **options):
    result = run_on_device(tmp_path, text, **options)
    assert result.code == 0, result.err
    return result


def test_a_program_finds_the_boards_modules(tmp_path):
    text = """
    console.log(require('tessel').led.length, typeof require('neopixels'));
    console.log(require('tessel') === require('tessel'), require.resolve('wifi-cc3000'));
    """
    assert ran(tmp_path, text).lines == ["4 function", "true wifi-cc3000"]


def test_the_boards_module_is_preferred_to_a_package_of_its_name(tmp_path):
    package = tmp_path / "node_modules" / "tessel"
    package.mkdir(parents=True)
    (package / "index.js").write_text("throw new Error('the command for a computer');")
    assert ran(tmp_path, "console.log(require('tessel').led.length)").lines == ["4"]


def test_import_finds_the_boards_modules(tmp_path):
    if not is_of_the_record():
        pytest.skip("Node before 22.15 has no hooks for import")
    text = "import tessel from 'tessel'; console.log(tessel.led.length);"
    assert ran(tmp_path, text, name="program.mjs").lines == ["4"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("program.js", "try { require('tessel-av') } catch (e) { console.log(e.code, e.message) }"),
        ("program.mjs", "import('tessel-av').catch((e) => console.log(e.code, e.message))"),
    ],
)
def test_an_unknown_module_gets_nodes_error(tmp_path, name, text):
    assert ran(tmp_path, text, name=name).lines == run_on_node(tmp_path, text, name=name).lines


def test_a_program_has_the_members_of_the_boards_node(tmp_path):
    text = "require('util').print('a', 'b'); console.log(GLOBAL === global, process.platform)"
    assert ran(tmp_path, text, TESSEL_COMPAT="board").lines == ["abtrue tessel"]


def test_the_exit_code_of_an_uncaught_error_is_the_boards_on_request(tmp_path):
    assert run_on_device(tmp_path, "throw new Error('x')", TESSEL_COMPAT="board").code == 8
    assert run_on_device(tmp_path, "throw new Error('x')").code == 1


def test_what_a_program_does_is_logged(tmp_path):
    log = tmp_path / "board.log"
    shown = ran(
        tmp_path, "require('tessel').led[0].output(1)", TESSEL_BOARD_LOG=str(log), _PROXY_DBG="1"
    )
    assert log.read_text().endswith("> led.0 output 1\n")
    assert "tessel: board: " in shown.err


def test_a_wrong_input_script_ends_the_run_before_the_program_starts(tmp_path):
    script = tmp_path / "board.input"
    script.write_text("what\nis this\n")
    done = run_on_device(tmp_path, "console.log('ran')", TESSEL_BOARD_INPUT=str(script))
    assert (done.code, done.lines) == (1, [])
    assert [line.partition(" ")[0] for line in done.err.splitlines()] == ["tessel:", "tessel:"]
