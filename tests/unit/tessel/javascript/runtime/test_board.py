"""`require('tessel')` on the simulated board: pins, buses, events, and what keeps it running."""

import json

from support.javascript import run_on_board

PRELUDE = """
var tessel = require('tessel');
var gpio = tessel.port['GPIO'];
function show() { console.log.apply(console, arguments); }
"""


def ran(tmp_path, program, script="", **environ):
    result = run_on_board(tmp_path, PRELUDE + program, script, **environ)
    assert result.code == 0, result.errors
    return result


def test_a_program_finds_pins_by_port_label_and_index(tmp_path):
    program = """
    show(tessel.port['A'].pin['G1'] === tessel.port['A'].digital[0]);
    show(tessel.port('b') === tessel.port.B, tessel.ports.C.id, gpio.pin.g4 === gpio.pwm[0]);
    show(tessel.port.D.digital.length, gpio.digital.length, gpio.analog.length, gpio.pwm.length);
    show(gpio.pin.A3.pin, gpio.pin.G6.pin, tessel.port.D.pin.G3.pin);
    show(tessel.pin.LED1 === tessel.led[0], tessel.pin.error === tessel.led[2],
         tessel.pin.CONN === tessel.led[3]);
    show(gpio.pin.G1.type, gpio.pin.G1.resolution, gpio.pin.A1.type, gpio.pin.A1.resolution);
    """
    assert ran(tmp_path, program).lines == [
        "true",
        "true C true",
        "3 6 6 3",
        "30 39 27",
        "true true true",
        "digital 1 analog 1023",
    ]


def test_the_writes_of_a_program_are_in_the_log(tmp_path):
    program = """
    tessel.led[0].output(1).low();
    tessel.led[1].toggle();
    tessel.port.A.pin.G1.output().high();
    tessel.port.A.pin.G2.input().pull('pulldown');
    gpio.pwmFrequency(980);
    gpio.pin.G4.pwmDutyCycle(0.6);
    gpio.pin.A1.write(0.5);
    """
    assert ran(tmp_path, program).log == [
        "> led.0 output 1",
        "> led.0 output 0",
        "> led.1 output 1",
        "> A.G1 output 0",
        "> A.G1 output 1",
        "> A.G2 pull pulldown",
        "> GPIO pwm-frequency 980",
        "> GPIO.G4 pwm 0.6 at 980 Hz",
        "> GPIO.A1 write 0.5",
    ]


def test_a_pin_reads_what_is_applied_to_it_else_its_resistor(tmp_path):
    program = """
    var pin = tessel.port.A.pin.G1;
    show(pin.read(), tessel.port.A.pin.G2.read(), tessel.button.read());
    show(pin.pull('pulldown').read(), pin.pull().read(), pin.mode());
    show(tessel.port.A.pin.G3.output(1).rawRead(), tessel.port.A.pin.G3.read());
    show(gpio.analog[0].read().toFixed(2), gpio.analog[1].read());
    pin.read(function (error, value) { show(error, value); });
    """
    result = ran(tmp_path, program, "0 A.G2 low\n0 A.G3 low\n0 GPIO.A1 analog 0.25")
    assert result.lines == ["1 0 0", "0 0 none", "1 0", "0.25 0", "null 0"]
    assert "> GPIO.A1 read 0.2502" in result.log


def test_a_value_that_is_read_twice_is_logged_once(tmp_path):
    program = "for (var i = 0; i < 100; i += 1) gpio.analog[0].read();"
    assert ran(tmp_path, program).log == ["> GPIO.A1 read 0"]


def test_a_program_that_polls_in_a_loop_sees_the_script(tmp_path):
    program = "var n = 0; while (tessel.port.A.pin.G1.read()) n += 1; show(n > 0);"
    assert ran(tmp_path, program, "0.2 A.G1 low").lines == ["true"]


def test_the_button_emits_press_and_release_with_the_time_in_microseconds(tmp_path):
    program = """
    tessel.button.on('press', function (time) { show('press', time > 50000); });
    tessel.button.once('release', function () {
      show('release');
      tessel.button.removeAllListeners('press');
    });
    """
    script = "0.1 button press\n+0.05 button release\n+0.05 button press"
    assert ran(tmp_path, program, script).lines == ["press true", "release"]


def test_edges_reach_their_listeners_and_level_events_come_once(tmp_path):
    program = """
    var pin = tessel.port.B.pin.G1;
    pin.on('rise', function (time, type) { show(type); pin.removeAllListeners(); });
    pin.on('fall', function (time, type) { show(type); });
    pin.on('change', function (time, type) { show('change', type); });
    tessel.port.B.pin.G2.once('high', function (time, type) { show('level', type); });
    show(tessel.interruptsAvailable());
    """
    script = "0.1 B.G1 low\n0.2 B.G1 high"
    assert ran(tmp_path, program, script).lines == [
        "5",
        "level high",
        "change fall",
        "fall",
        "change rise",
        "rise",
    ]


def test_wrong_uses_of_events_are_errors_and_interrupts_come_back(tmp_path):
    program = """
    var pins = gpio.digital.concat(tessel.port.A.digital);
    try { pins[0].on('low', show); } catch (error) { show(error.message); }
    pins[0].on('error', function (error) { show(error.message); }).on('high', show);
    pins.slice(0, 7).forEach(function (pin) { pin.on('rise', show); });
    try { pins[7].on('rise', show); } catch (error) { show(error.message); }
    pins[7].on('anything', show).emit('anything', 'emitted');
    pins.forEach(function (pin) { pin.removeAllListeners(); });
    show(tessel.interruptsAvailable());
    """
    assert ran(tmp_path, program).lines == [
        "on('low'): it would fire without end; use once('low')",
        "on('high'): it would fire without end; use once('high')",
        "all 7 interrupts of the board are in use",
        "emitted",
        "7",
    ]


def test_a_level_that_is_applied_once_ends_when_the_program_has_seen_it(tmp_path):
    program = """
    var pin = tessel.port.A.pin.G2, count = 0;
    function ready() {
      count += 1;
      if (count < 2) pin.once('low', ready);
      show(count, pin.rawRead());
    }
    pin.once('low', ready);
    """
    script = "0.1 A.G2 low once\n0.2 A.G2 low once"
    assert ran(tmp_path, program, script).lines == ["1 1", "2 1"]


def test_a_level_that_is_applied_once_twice_ends_as_well(tmp_path):
    program = """
    var pin = tessel.port.A.pin.G2;
    setTimeout(function () {
      pin.once('low', function () { show(pin.rawRead()); });
    }, 100);
    """
    assert ran(tmp_path, program, "0 A.G2 low once\n0 A.G2 low once").lines == ["1"]
    assert ran(tmp_path, program, "0 A.G2 high once\n0 A.G2 low").lines == ["0"]


def test_a_wire_connects_two_pins(tmp_path):
    program = """
    var one = gpio.pin.G1.output(0), other = gpio.pin.G2.input();
    show(other.read());
    other.once('rise', function () { show('rose', other.read()); });
    one.high();
    """
    assert ran(tmp_path, program, "0 GPIO.G1 wire GPIO.G2").lines == ["0", "rose 1"]


def test_pulses_are_measured_at_one_pin_for_one_caller_at_a_time(tmp_path):
    program = """
    var Neopixels = require('neopixels');
    gpio.pin.G3.readPulse('high', 5000, function (error, ms) { show(error, ms); });
    gpio.pin.G3.readPulse('high', 50, function (error, ms) { show(error.message, ms); });
    new Neopixels().animate(1, Buffer.alloc(3), function (error) {
      show(error.message);
      setTimeout(function () {
        gpio.pin.G3.readPulse('low', 20, function (error, ms) { show(error.message, ms); });
      }, 150);
    });
    try { gpio.pin.G3.readPulse('high', 10001); } catch (error) { show(error.message); }
    """
    assert ran(tmp_path, program, "0.1 GPIO.G3 pulse high 12.5").lines == [
        "SCT is already in use by Read Pulse 0",
        "SCT is already in use by Read Pulse",
        "readPulse: timeout is 10001; expected at most 10000 ms",
        "undefined 12.5",
        "SCT timed out while attempting to read pulse 0",
    ]


def test_an_i2c_device_has_registers_that_a_program_reads_and_writes(tmp_path):
    program = """
    var i2c = new tessel.port.A.I2C(0x1d);
    i2c.transfer(new Buffer([0x0d]), 2, function (error, bytes) {
      show(error, bytes.toString('hex'));
      i2c.send(new Buffer([0x0e, 0xaa]), function (error) {
        show(error);
        tessel.port.B.I2C(0x1d).transfer(new Buffer([0x0d]), 2, function (error, bytes) {
          show(bytes.toString('hex'));
          tessel.port.C.I2C(0x1d).receive(1, function (error) { show(error); });
        });
      });
    });
    """
    result = ran(tmp_path, program, "0 A.i2c.1d registers 0d 2a 00")
    assert result.lines == ["0 2a00", "0", "2aaa", "1"]
    assert result.log[1:] == [
        "> A.i2c.1d transfer 0d -> 2a 00",
        "> A.i2c.1d send 0e aa",
        "> B.i2c.1d transfer 0d -> 2a aa",
        "> C.i2c.1d receive -> no answer",
    ]


def test_transfers_without_bytes_or_length_are_no_error(tmp_path):
    program = """
    tessel.port.A.I2C(0x1d).transfer(new Buffer([1]), show); // a callback is no length
    tessel.port.A.I2C(0x1d).receive(0, function (error, bytes) { show(error, bytes.length); });
    tessel.port.A.SPI().transfer(new Buffer(0), function (error, bytes) { show(bytes.length); });
    """
    result = ran(tmp_path, program, "0 A.i2c.1d registers 00 01")
    assert result.lines == ["0 0", "0"]
    assert "> A.i2c.1d transfer 01 -> " in result.log


def test_an_i2c_device_answers_to_commands_in_turn(tmp_path):
    program = """
    var i2c = tessel.port.D.I2C(0x40), got = [];
    (function next(count) {
      if (count === 0) return show(got.join(' '));
      i2c.transfer(new Buffer([0xfc, 0xc9]), 1, function (error, bytes) {
        got.push(bytes.toString('hex'));
        i2c.transfer(new Buffer([1]), 3, function (error, bytes) {
          got.push(bytes.toString('hex'));
          next(count - 1);
        });
      });
    }(3));
    """
    script = "0 D.i2c.40 answer 15 | 16 to fc c9\n0 D.i2c.40 answer 07 08"
    assert ran(tmp_path, program, script).lines == ["15 0708ff 16 0708ff 16 0708ff"]


def test_spi_transfers_wait_for_each_other_and_for_a_lock(tmp_path):
    program = """
    var select = tessel.port.A.digital[0];
    var spi = new tessel.port.A.SPI({ chipSelect: select, clockSpeed: 1e6 });
    select.on('anything', show);
    spi.transfer(new Buffer([1, 2]), function (error, bytes) { show('first', bytes[0]); });
    spi.lock(function (lock) {
      lock.rawTransfer(new Buffer([3]), function (error, bytes) {
        show('locked', bytes[0]);
        lock.release();
      });
      lock.rawSend(new Buffer([9]), function (error) { show(error.message); });
    });
    spi.send(new Buffer([4]), function (error, bytes) { show('last', error, bytes); });
    spi.transferBatch(new Buffer([1, 2, 3, 4]), { chunkSize: 2, repeat: 2 }, function (e, bytes) {
      show(bytes.toString('hex'), select.rawRead());
    });
    spi.receive(2, function (error, bytes) { show(bytes.toString('hex')); });
    """
    assert ran(tmp_path, program, "0 A.spi answer 77 to 01 02\n0 A.spi answer 05").lines == [
        "first 119",
        "SPI: the previous transfer has not ended; wait for its callback",
        "locked 5",
        "last undefined null",
        "77000500 1",
        "0500",
    ]


def test_a_uart_is_a_stream_whose_device_answers(tmp_path):
    program = r"""
    var uart = new tessel.port.A.UART({ baudrate: 115200 });
    uart.on('data', function (data) {
      show(JSON.stringify(data.toString()));
      if (/late/.test(data)) uart.disable();
    });
    uart.write('AT\r\n');
    """
    script = (
        r'0 A.uart data "lost"'
        "\n"
        r'0 A.uart answer "OK\r\n" to "AT\r\n"'
        "\n"
        r'0.2 A.uart data "late" 21'
    )
    result = ran(tmp_path, program, script)
    assert result.lines == [r'"OK\r\n"', '"late!"']
    assert result.log == [
        "< A.uart data 6c 6f 73 74 (lost: the program has not opened it)",
        r'< A.uart answer "OK\r\n" to "AT\r\n"',
        "> A.uart open 115200 baud",
        "> A.uart write 41 54 0d 0a",
        "< A.uart data 4f 4b 0d 0a",
        "< A.uart data 6c 61 74 65 21",
        "> A.uart disable",
    ]


def test_wrong_settings_of_buses_are_errors_that_name_the_allowed_values(tmp_path):
    program = """
    [function () { tessel.port.C.UART(); },
     function () { new tessel.port.A.UART({ parity: 'some' }); },
     function () { new tessel.port.A.SPI({ bitOrder: 'middle' }); },
     function () { tessel.port.A.SPI().setClockSpeed(3e7); },
     function () { tessel.port.A.pwmFrequency(5); },
     function () { gpio.pin.G4.pwmDutyCycle(0.5); },
     function () { gpio.pin.G1.pull('up'); },
    ].forEach(function (wrong) {
      try { wrong(); show('no error'); } catch (error) { show(error.message); }
    });
    """
    assert ran(tmp_path, program).lines == [
        "port C has no UART; use port A, B, D",
        'UART parity is "some"; expected none, odd, even, onestick, zerostick',
        "bitOrder is \"middle\"; expected 'msb' or 'lsb'",
        "setClockSpeed(30000000): expected more than 0 and less than 20000000 Hz",
        "port A has no PWM pins; use those of the port GPIO",
        "pwmDutyCycle: no frequency is set; call port.pwmFrequency(hertz) first",
        'pull("up"): expected pullup, pulldown, buskeeper, none',
    ]


def test_messages_to_the_usb_host_are_logged_and_its_messages_arrive(tmp_path):
    program = """
    process.on('message', function (message) { show(message.hello); process.unref(); });
    process.ref();
    process.send({ a: [1] });
    var circle = {}; circle.circle = circle;
    process.send(circle);
    process.sendfile('x.jpg', new Buffer(5));
    """
    result = ran(tmp_path, program, '0.1 board message {"hello": "you # there"}')
    assert result.lines == ["you # there"]
    assert result.log[:3] == [
        '> usb message {"a":[1]}',
        "> usb message <ref *1> { circle: [Circular *1] }",
        '> usb file "x.jpg" (5 bytes)',
    ]


def test_a_listener_keeps_the_program_alive_until_the_board_is_reset(tmp_path):
    program = """
    tessel.button.on('press', show);
    process.on('exit', function (code) { show('exit', code); });
    """
    assert ran(tmp_path, program, "0.2 board reset").lines == ["exit 0"]


def test_a_pending_script_does_not_keep_a_program_alive(tmp_path):
    assert ran(tmp_path, "show('end')", "100 button press").lines == ["end"]


def test_the_device_id_has_the_boards_form_and_depends_on_the_name(tmp_path):
    program = """
    show(tessel.deviceId(), process.versions.tessel_board);
    tessel.syncClock(function (ok) { show(ok); });
    var before = Date.now(); tessel.sleep(30); show(Date.now() - before >= 29);
    """
    lines = ran(tmp_path, program).lines
    assert lines == ["TM-00-04-00000000-00000000-00000001 4", "true", "true"]
    named = ran(tmp_path, program, PROXY_DEVICE="kitchen").lines[0]
    assert named != lines[0]
    assert named == ran(tmp_path, program, PROXY_DEVICE="kitchen").lines[0]


def test_the_log_goes_to_standard_error_with_proxy_dbg(tmp_path):
    errors = ran(tmp_path, "tessel.led[0].high();", _PROXY_DBG="1").errors
    assert errors.startswith("tessel: board: 0.")
    assert errors.endswith(" > led.0 output 1\n")


def test_the_program_itself_can_set_proxy_dbg(tmp_path):
    program = "process.env._PROXY_DBG = '1'; tessel.led[0].high();"
    assert ran(tmp_path, program).errors.endswith(" > led.0 output 1\n")


def test_a_full_disk_ends_the_log_and_not_the_program(tmp_path):
    program = "tessel.led[0].high(); tessel.led[0].low(); show('still here');"
    result = ran(tmp_path, program, TESSEL_BOARD_LOG="/dev/full")
    assert result.lines == ["still here"]
    assert result.errors.count("TESSEL_BOARD_LOG=/dev/full: ENOSPC; the log ends here") == 1


def test_no_listener_runs_while_a_program_reads_a_pin(tmp_path):
    program = """
    var uart = tessel.port.A.UART(), reading = true;
    uart.on('data', function (data) { show(String(data), reading); uart.disable(); });
    while (tessel.port.A.pin.G3.read() === 1);
    show('read', 0);
    reading = false;
    """
    script = '1 A.uart data "x"\n1 A.G3 low'
    assert ran(tmp_path, program, script).lines == ["read 0", "x false"]


def test_a_long_transfer_is_shortened_in_the_log(tmp_path):
    program = "tessel.port.A.SPI().send(new Buffer(1000));"
    shown = " ".join(["00"] * 64)
    assert ran(tmp_path, program).log[-1] == f"> A.spi send {shown} ... (1000 bytes)"


def test_bytes_that_a_program_does_not_read_are_lost_as_on_the_board(tmp_path):
    program = """
    var uart = tessel.port.A.UART();
    setTimeout(function () {
      uart.once('data', function (data) { show(data.length); uart.disable(); uart.pause(); });
    }, 200);
    """
    script = f"0.1 A.uart data {json.dumps('x' * 3000)}"
    result = ran(tmp_path, program, script)
    assert result.lines == ["2048"]
    assert "952 bytes were lost" in result.errors
