"""The Node of the board: what programs of Node 0.10 use and today's Node no longer has."""

import pytest

from support.javascript import run_on_board


def ran(tmp_path, program, **environ):
    result = run_on_board(
        tmp_path,
        f"function show() {{ console.log.apply(console, arguments); }}\n{program}",
        **environ,
    )
    assert result.code == 0, result.errors
    return result


def test_util_prints_as_it_did(tmp_path):
    program = """
    var util = require('util');
    util.print('a', 1); util.puts('b', 'c');
    util.error('d', 'e'); util.debug('f'); util.p([1]);
    show(require('sys') === util, typeof util.debug('net'));
    """
    result = ran(tmp_path, program)
    assert result.lines == ["a1b", "c", "true function"]
    assert result.errors.splitlines() == ["d", "e", "DEBUG: f", "[ 1 ]", "DEBUG: net"]


def test_old_names_are_there_without_a_warning(tmp_path):
    program = """
    var os = require('os'), path = require('path'), util = require('util');
    GLOBAL.mine = 1; show(root.mine, GLOBAL === global);
    show(process.EventEmitter === require('events').EventEmitter);
    show(os.tmpDir() === os.tmpdir(), typeof os.getNetworkInterfaces(),
         path.existsSync(__filename));
    show(typeof require('domain').create, require('punycode').toASCII('ä.b'));
    show(util.isArray([]), util.isDate(new Date()), util.isRegExp(/a/), util.isError(Error()));
    show(util._extend({ a: 1 }, { b: 2 }), typeof require('crypto').createCredentials);
    show(require('net').createServer().connections);
    show(typeof require('timers').enroll, Buffer([1]).get(0),
         Buffer('a').binarySlice(), typeof process.binding('util'));
    """
    result = ran(tmp_path, program)
    assert result.lines == [
        "1 true",
        "true",
        "true object true",
        "function xn--4ca.b",
        "true true true true",
        "{ a: 1, b: 2 } function",
        "0",
        "function 1 a object",
    ]
    assert result.errors == ""


def test_other_warnings_are_still_shown(tmp_path):
    program = "process.emitWarning('careful', 'DeprecationWarning', 'DEP9999');"
    assert "DEP9999" in ran(tmp_path, program).errors


def test_buffers_are_made_as_before(tmp_path):
    program = """
    show(new Buffer('abc'), Buffer(2), new Buffer([1, 256]), new Buffer('ff00', 'hex'));
    show(new Buffer(new Buffer('x')), new require('buffer').SlowBuffer(1).length);
    """
    result = ran(tmp_path, program)
    assert result.lines == [
        "<Buffer 61 62 63> <Buffer 00 00> <Buffer 01 00> <Buffer ff 00>",
        "<Buffer 78> 1",
    ]
    assert result.errors == ""


def test_no_assert_reads_and_writes_outside_of_a_buffer(tmp_path):
    program = """
    var b = new Buffer([1, 2, 3]);
    show(b.readUInt8(3, true), b.readUInt16BE(2, true), b.readInt32LE(1, true),
         b.readUInt8(-1, true));
    show(b.readDoubleBE(1, true) > 0, b.readUint16LE(0, true), b.readUInt8(1, true));
    b.writeUInt8(300, 0, true); b.writeUInt16BE(0x1234, 2, true); b.writeInt8(-129, 1, true);
    show(b, b.writeUInt32LE(-1, 9, true));
    b = new Buffer(8); b.writeFloatLE(1.5, 6, true); b.writeUInt32BE(-2, 0, true); show(b);
    b.writeDoubleBE(Infinity, 0, true); show(b.readDoubleBE(0));
    """
    assert ran(tmp_path, program).lines == [
        "undefined 768 770 undefined",
        "true 513 2",
        "<Buffer 2c 7f 12> 13",
        "<Buffer ff ff ff fe 00 00 00 00>",
        "Infinity",
    ]


def test_without_no_assert_errors_are_nodes_own(tmp_path):
    program = """
    [function () { new Buffer(1).readUInt8(1); }, function () { new Buffer(1).writeUInt8(256, 0); },
     function () { new Buffer(1).readUInt16LE(0, false); }].forEach(function (wrong) {
      try { wrong(); show('none'); } catch (error) { show(error.code); }
    });
    show(new Buffer([7]).readUInt8(), new Buffer(4).writeUInt32BE(1),
         new Buffer([1, 2]).readUint16BE());
    """
    assert ran(tmp_path, program).lines == [
        "ERR_OUT_OF_RANGE",
        "ERR_OUT_OF_RANGE",
        "ERR_BUFFER_OUT_OF_BOUNDS",
        "7 4 258",
    ]


def test_files_can_be_written_without_a_callback_and_from_any_value(tmp_path):
    program = """
    var fs = require('fs'), util = require('util');
    fs.writeFileSync('a', 5); fs.appendFileSync('a', true); fs.appendFileSync('a', { x: 1 });
    show(fs.readFileSync('a', 'utf8'));
    fs.writeFile('b', 7);
    fs.unlink('no such file');
    fs.writeFile('c', new Buffer('x'), function (error) {
      show(error, fs.readFileSync('c', 'utf8'));
    });
    util.promisify(fs.write)(1, '').then(function (result) { show(result.bytesWritten); });
    process.on('exit', function () { show(fs.readFileSync('b', 'utf8')); });
    """
    result = ran(tmp_path, program)
    assert result.lines[0] == "5true[object Object]"
    assert sorted(result.lines[1:3]) == ["0", "null x"]
    assert result.lines[3] == "7"
    assert "fs.unlink without a callback: ENOENT" in result.errors


def test_queries_have_the_methods_of_objects(tmp_path):
    program = """
    var url = require('url'), qs = require('querystring');
    show(url.parse('/a?x=1', true).query.hasOwnProperty('x'),
         url.parse('/a', true).query.hasOwnProperty('x'));
    show(qs.parse('a=1').hasOwnProperty('a'), qs.decode === qs.parse, url.parse('/a?b=1').query);
    show(Object.keys(qs.parse('__proto__=1&a=2')).length, ({}).a);
    """
    assert ran(tmp_path, program).lines == ["true false", "true true b=1", "2 undefined"]


def test_timeouts_of_sockets_may_be_text(tmp_path):
    program = """
    var net = require('net'), http = require('http');
    var socket = new net.Socket().setTimeout('250', show);
    show(socket.timeout, socket.setTimeout(undefined).timeout, socket.listeners('timeout').length);
    var request = http.request({ port: 1 }).on('error', function () {});
    show(request.setTimeout('40') === request);
    request.abort();
    try { socket.setTimeout(-1); } catch (error) { show(error.code); }
    """
    assert ran(tmp_path, program).lines == ["250 0 1", "true", "ERR_OUT_OF_RANGE"]


def test_ciphers_from_passwords_and_pbkdf2_are_those_of_old_nodes(tmp_path):
    """The text was encrypted with `openssl enc -aes-128-cbc -md md5 -nosalt -k pw`."""
    program = """
    var crypto = require('crypto');
    var cipher = crypto.createCipher('aes-128-cbc', 'pw');
    var text = cipher.update('hello', 'utf8', 'hex') + cipher.final('hex');
    var decipher = crypto.createDecipher('aes-128-cbc', 'pw');
    show(text, decipher.update(text, 'hex', 'utf8') + decipher.final('utf8'));
    show(crypto.pbkdf2Sync('password', 'salt', 1, 20).toString('hex'));
    crypto.pbkdf2('password', 'salt', 2, 20, function (e, key) { show(key.toString('hex')); });
    crypto.pbkdf2('password', 'salt', 1, 8, 'sha256', function (e, key) { show(key.length); });
    """
    lines = ran(tmp_path, program).lines
    assert lines[0] == "03382145c57c8ce4cd023e8fd4ab1df0 hello"
    assert lines[1] == "0c60c80f961f0e71f3a9b524af6012062fe037a6"  # RFC 6070
    assert sorted(lines[2:]) == ["8", "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"]


def test_a_pump_calls_back_once(tmp_path):
    program = """
    var util = require('util'), stream = require('stream');
    var source = new stream.PassThrough(), target = new stream.PassThrough();
    target.on('data', function (data) { show(String(data)); });
    util.pump(source, target, function (error) { show('done', error); });
    source.end('x');
    """
    assert ran(tmp_path, program).lines == ["x", "done undefined"]


@pytest.mark.parametrize(
    ("call", "code"),
    [("3", 3), ("'4'", 4), ("true", 1), ("null", 0), ("new Error()", 0), ("", 9)],
)
def test_process_exit_takes_the_values_that_it_took_on_the_board(tmp_path, call, code):
    result = run_on_board(tmp_path, f"process.exitCode = 9; process.exit({call})")
    assert (result.code, result.errors) == (code, "")


def test_process_ref_keeps_a_program_alive_until_unref(tmp_path):
    program = """
    process.ref(); process.ref();
    setTimeout(function () { show('later'); process.unref(); }, 50).unref();
    """
    assert ran(tmp_path, program).lines == ["later"]


def test_by_default_platform_and_exit_code_are_nodes(tmp_path):
    program = "console.log(process.platform === 'tessel'); throw new Error('mine');"
    result = run_on_board(tmp_path, program)
    assert (result.code, result.lines) == (1, ["false"])


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("throw new Error('mine')", 8),
        ("setTimeout(function () { undefined.x; }, 1)", 8),
        ("Promise.reject(new Error('mine'))", 8),
        ("new (require('events'))().emit('error', new Error('mine'))", 8),
        ("process.exit(1)", 1),
        ("process.on('uncaughtException', function () { process.exit(1); }); throw 1", 1),
        ("process.on('uncaughtException', function () {}); throw 1", 0),
        ("process.on('exit', function () { process.exit(5); }); throw 1", 5),
    ],
)
def test_with_compat_board_only_an_uncaught_error_gives_code_8(tmp_path, ending, code):
    result = run_on_board(tmp_path, ending, TESSEL_COMPAT="board")
    assert result.code == code


def test_with_compat_board_the_process_says_that_it_is_a_board(tmp_path):
    program = """
    var os = require('os');
    show(process.platform, process.arch, os.platform(), os.arch(), os.type(), os.hostname());
    show(os.release(), os.totalmem());
    """
    assert ran(tmp_path, program, TESSEL_COMPAT="board").lines == [
        "tessel armv7-m tessel armv7-m Tessel tessel.local",
        "0.0.1 33554432",
    ]


def test_another_value_of_the_setting_is_an_error(tmp_path):
    result = run_on_board(tmp_path, "", TESSEL_COMPAT="bord")
    assert result.code == 1
    assert 'TESSEL_COMPAT="bord"; allowed: board, or unset' in result.errors


def test_a_stream_of_bytes_ends_when_it_pushes_undefined(tmp_path):
    program = """
    var Readable = require('stream').Readable;
    var words = ['a', 'b'], bytes = new Readable();
    bytes._read = function () { this.push(words.shift()); };
    bytes.on('data', function (chunk) { show(String(chunk)); });
    bytes.on('end', function () { show('end'); });
    """
    assert ran(tmp_path, program).lines == ["a", "b", "end"]


def test_a_stream_of_objects_may_have_undefined_in_it(tmp_path):
    program = """
    var Readable = require('stream').Readable;
    var objects = new Readable({ objectMode: true, read: function () {} });
    objects.push(undefined); objects.push(1); objects.push(null);
    objects.on('data', show).on('end', function () { show('end'); });
    """
    assert ran(tmp_path, program).lines == ["undefined", "1", "end"]


@pytest.mark.parametrize(
    ("options", "status"), [("", "200"), ("{ requireHostHeader: true },", "400")]
)
def test_a_request_without_a_host_is_answered_unless_the_server_requires_one(
    options, status, tmp_path
):
    program = f"""
    var http = require('http'), net = require('net');
    var server = http.createServer({options} function (request, response) {{ response.end(); }});
    server.listen(0, function () {{
      var socket = net.connect(server.address().port);
      socket.end('GET / HTTP/1.1\\r\\n\\r\\n');
      socket.on('data', function (data) {{ show(String(data).slice(9, 12)); server.close(); }});
    }});
    """
    assert ran(tmp_path, program).lines == [status]
