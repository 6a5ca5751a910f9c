"""`require('wifi-cc3000')` in a program that a device runs over the simulated chip."""

import json

import pytest

from support.javascript.on_device import run_on_device

PRELUDE = """
const wifi = require('wifi-cc3000');
const say = (...values) => console.log(JSON.stringify(values));
"""
HOME = {"WIFI_SSID": "home", "WIFI_PASSWORD": "secret"}


def ran(tmp_path, text, **environ):
    result = run_on_device(tmp_path, PRELUDE + text, **{"RADIO": "cc3000-sim"} | environ)
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.lines]


def test_a_program_that_starts_in_a_network_gets_the_event_connect(tmp_path):
    text = """
    say(wifi.isConnected(), wifi.connection(), wifi.macAddress());
    wifi.on('connect', (connection) => {
      say(wifi.isConnected(), wifi.isEnabled(), wifi.isBusy(), wifi.macAddress().length);
      say(Object.keys(connection), connection.ssid, connection.event, connection.connected);
      say(require('dns').getServers()[0] === connection.dns);
    });
    """
    assert ran(tmp_path, text) == [
        [False, None, None],
        [True, True, False, 6],
        [
            ["event", "connected", "ssid", "ip", "dns", "dhcp", "gateway"],
            "tesselnet",
            "status",
            True,
        ],
        [True],
    ]


def test_a_program_leaves_and_joins_networks(tmp_path):
    text = """
    const home = { ssid: 'home', password: Buffer.from('secret'), security: 'WPA2' };
    let first = true;
    wifi.on('connect', ({ ssid }) => {
      say('connect', ssid);
      if (!first) return;
      first = false;
      say(wifi.disconnect((error, connection) => {
        say('left', error, connection, wifi.isConnected(), wifi.isBusy());
        wifi.connect(home, (failure, joined) => {
          say('joined', failure, joined.ssid, wifi.isConnected());
        });
      }) === wifi, wifi.isBusy());
    });
    wifi.on('disconnect', (...values) => say('disconnect', values, wifi.isConnected()));
    """
    assert ran(tmp_path, text, **HOME) == [
        ["connect", "home"],
        [True, True],
        ["disconnect", [], False],
        ["left", None, None, False, False],
        ["connect", "home"],
        ["joined", None, "home", True],
    ]


def test_the_radio_is_switched_off_and_on(tmp_path):
    text = """
    wifi.once('connect', () => {
      wifi.disable((error) => {
        say('off', error, wifi.isEnabled(), wifi.isConnected());
        wifi.enable(() => {
          say('on', wifi.isEnabled());
          wifi.reset((failure) => say('reset', failure, wifi.isEnabled()));
        });
      });
    });
    """
    assert ran(tmp_path, text) == [["off", None, False, False], ["on", True], ["reset", None, True]]


def test_a_wrong_password_is_an_error(tmp_path):
    text = """
    const wrong = { ssid: 'home', password: 'wrong' };
    wifi.once('connect', () => {
      wifi.connect(wrong, (error, connection) => {
        say(error.code, connection, wifi.isConnected());
        wifi.once('error', ({ code }) => say('error', code));
        wifi.connect(wrong);
      });
    });
    """
    assert ran(tmp_path, text, **HOME) == [["ENETUNREACH", None, False], ["error", "ENETUNREACH"]]


def test_a_network_that_is_not_in_range_is_a_timeout(tmp_path):
    text = """
    const nowhere = { ssid: 'nowhere', security: 'unsecured', timeout: '1' };
    wifi.on('timeout', (error) => say('timeout', error.code));
    wifi.once('connect', () => {
      wifi.connect(nowhere, (error, connection) => {
        say(error.code, connection, wifi.isConnected());
        wifi.connect(nowhere);
      });
    });
    """
    assert ran(tmp_path, text, **HOME) == [
        ["timeout", "ETIMEDOUT"],
        ["ETIMEDOUT", None, False],
        ["timeout", "ETIMEDOUT"],
    ]


def test_a_second_network_while_one_is_joined_is_an_error(tmp_path):
    text = """
    const network = { ssid: 'nowhere', security: 'unsecured', timeout: 1 };
    wifi.on('error', (error) => say(error.code, error.message));
    wifi.once('connect', () => {
      wifi.connect(network, (error) => say('first', error.code));
      wifi.connect(network);
      wifi.connect(network, (error) => say('third', error.code));
    });
    """
    assert ran(tmp_path, text) == [
        ["EBUSY", "Previous wifi connect is in the middle of a call"],
        ["third", "EBUSY"],
        ["first", "ETIMEDOUT"],
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("undefined", "wifi.connect expects an object: { ssid, password, security, timeout }"),
        ("{}", "No SSID given"),
        ("{ ssid: 'a' }", "No password given for a network with security type wpa2"),
        (
            "{ ssid: 'a', security: 'WEP' }",
            "No password given for a network with security type wep",
        ),
        (
            "{ ssid: 'a', security: 'x' }",
            "x is not a security type of the radio: expected wpa2, wpa, wep, unsecured",
        ),
        (
            "{ ssid: 'a'.repeat(33), security: 'unsecured' }",
            "The ssid has 33 bytes: expected at most 32",
        ),
    ],
)
def test_wrong_options_are_thrown(tmp_path, options, message):
    text = f"try {{ wifi.connect({options}) }} catch (error) {{ say(error.message) }}"
    assert ran(tmp_path, text, RADIO="host") == [[message]]


def test_with_the_host_the_network_is_always_there(tmp_path):
    text = """
    say(wifi.isConnected(), wifi.isEnabled(), wifi.isBusy(), wifi.connection(), wifi.macAddress());
    wifi.on('connect', () => say('never'));
    wifi.reset((error) => say(error.code, wifi.isConnected()));
    """
    assert ran(tmp_path, text, RADIO="host") == [
        [True, True, False, None, None],
        ["ENOTSUP", True],
    ]


def test_to_wait_for_the_hosts_network_is_a_warning(tmp_path):
    done = run_on_device(
        tmp_path, PRELUDE + "wifi.on('connect', () => {}); wifi.once('connect', say)"
    )
    text = "RADIO=host: wifi never emits connect, because the network is always there"
    assert (done.code, done.err.count(text)) == (0, 1)


def test_a_call_that_the_host_ignores_is_a_warning(tmp_path):
    done = run_on_device(tmp_path, PRELUDE + "wifi.disconnect();")
    assert done.code == 0
    assert "wifi: RADIO=host has no Wi-Fi of its own" in done.err


def test_every_file_gets_the_same_wifi(tmp_path):
    text = "say(require('wifi-cc3000') === wifi, wifi instanceof require('events'));"
    assert ran(tmp_path, text) == [[True, True]]


def test_a_udp_port_resumes_when_the_radio_is_on_again(tmp_path):
    text = """
    const dns = require('dns');
    const socket = require('dgram').createSocket('udp4');
    const send = (data) => socket.send(data, socket.address().port, '127.0.0.1');
    socket.on('message', (data) => { if (String(data) === 'again') socket.close(); });
    socket.on('close', () => say('received'));
    wifi.once('connect', () => socket.bind(() => wifi.disable(() => {
      dns.lookup('localhost', (error) => {
        say(error.code, error.message);
        wifi.once('connect', () => send('again'));
        wifi.enable();
      });
    })));
    """
    assert ran(tmp_path, text) == [
        ["ENETUNREACH", "getaddrinfo ENETUNREACH localhost"],
        ["received"],
    ]
