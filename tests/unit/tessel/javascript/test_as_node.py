"""A JavaScript program starts, finds itself and ends as with Node."""

import json

import pytest

from support.javascript.on_device import run_on_device, run_on_node
from support.javascript.running import run_file

FACTS = """
setImmediate(setImmediate, () => console.log(JSON.stringify({  // when all of the start is over
  argv: process.argv, execArgv: process.execArgv, main: require.main === module,
  paths: module.paths, file: __filename, parent: module.parent,
  signals: process.listenerCount('SIGINT'),
  ours: Object.keys(process.env).filter((name) => /^(TESSEL|NODE)_/.test(name)),
  resources: process.getActiveResourcesInfo(),
  stdin: process.stdin.constructor.name, stdout: process.stdout.constructor.name,
})));
"""
MODULE = """
import net, { connect } from 'node:net';
import { createRequire } from 'node:module';
const beside = createRequire(import.meta.url)('beside');
const facts = [process.argv, process.execArgv, import.meta.url, connect === net.connect, beside];
console.log(JSON.stringify(facts));
"""


@pytest.mark.parametrize(
    ("text", "code", "seen"),
    [
        ("", 0, ""),
        ("process.exit(3)", 3, ""),
        ("process.exitCode = 4", 4, ""),
        ("process.on('exit', () => { process.exitCode = 5 })", 5, ""),
        ("\nthrow new Error('mine')", 1, "program.js:2\nthrow new Error('mine')\n"),
        ("Promise.reject(new Error('mine'))", 1, "at Object.<anonymous> ("),
        ("process.nextTick(() => missing)", 1, "ReferenceError: missing is not defined"),
        ("let x = ;", 1, "SyntaxError: Unexpected token ';'"),
        ("require('./none')", 1, "Error: Cannot find module './none'"),
        ("process.abort()", 134, "tessel: the program's process was ended by SIGABRT\n"),
    ],
)
def test_the_exit_code_and_the_error_are_nodes(tmp_path, text, code, seen):
    ran = run_on_device(tmp_path, text)
    assert ran.code == code
    assert seen in ran.err
    assert bool(ran.err) == bool(seen)


def test_the_name_of_a_program_may_begin_with_a_dash(tmp_path):
    (tmp_path / "-x.js").write_text("console.log(process.argv.slice(2))")
    ran = run_file(tmp_path, "./-x.js")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"[]\n", b"")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("program.js", FACTS),
        ("program.cjs", FACTS),
        ("./program.js", FACTS),
        ("sub/program.js", FACTS),
        ("program.mjs", MODULE),
        ("esm/program.js", MODULE),
    ],
)
def test_a_program_finds_itself_and_its_modules_as_with_node(tmp_path, name, text):
    for folder in ("sub", "esm", "node_modules"):
        (tmp_path / folder).mkdir()
    (tmp_path / "esm" / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules" / "beside.json").write_text('"beside"')
    (tmp_path / "node_modules" / "beside.js").write_text("module.exports = 'beside'")
    arguments = ["-x", "a b", "--", "--env"]
    ours = run_on_device(tmp_path, text, *arguments, name=name)
    nodes = run_on_node(tmp_path, text, *arguments, name=name)
    assert (ours.code, ours.err) == (0, "")
    assert json.loads(ours.out) == json.loads(nodes.out)


def test_a_link_to_a_program_is_the_program(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "program.js").write_text("console.log(require('./beside'))")
    (tmp_path / "real" / "beside.js").write_text("module.exports = 'beside'")
    (tmp_path / "link.js").symlink_to("real/program.js")
    done = run_file(tmp_path, "link.js")
    assert (done.returncode, done.stdout) == (0, b"beside\n")


@pytest.mark.parametrize(
    ("name", "package"), [("index.js", None), ("main.js", '{"main": "main.js"}')]
)
def test_a_folder_with_a_program_is_the_program(tmp_path, name, package):
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / name).write_text("console.log(process.argv.length, module.id)")
    if package is not None:
        (tmp_path / "board" / "package.json").write_text(package)
    done = run_file(tmp_path, "board")
    assert (done.returncode, done.stdout) == (0, b"2 .\n")


def test_the_users_options_for_node_are_kept(tmp_path):
    (tmp_path / "first.js").write_text("console.log('first')")
    ran = run_on_device(tmp_path, "console.log('then')", NODE_OPTIONS="--require ./first.js")
    assert ran.lines == ["first", "then"]


@pytest.mark.parametrize("option", ["", "--use-bundled-ca"])
def test_the_option_for_authorities_is_not_seen_by_programs_and_their_threads(tmp_path, option):
    program = """
        const { Worker } = require('worker_threads');
        console.log(process.execArgv.length);
        new Worker('console.log(process.execArgv.length)', { eval: true });
    """
    given = {"SSL_CERT_FILE": "/missing", "NODE_OPTIONS": option}
    ran = run_on_device(tmp_path, program, **given)
    assert (ran.lines, ran.err) == (["0", "0"], "")
