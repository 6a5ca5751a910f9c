"""`wifi`, over a radio that a test plays, and over the simulated chip."""

import pytest
from twisted.internet.defer import fail, succeed

from support.chip_radio import Radio
from support.fake_air import HOME as NETWORK
from support.fake_board import powered_board, record
from support.fake_wifi import CONNECTION, FakeWifi
from tessel import wifi
from tessel.errors import NodeError
from tessel.radio.cc3000.wifi import Cc3000Wifi
from tessel.radio.interface import LinkState, NetworkUnreachableError


@pytest.fixture
def radio():
    return FakeWifi()


@pytest.fixture
def board(radio):
    with powered_board(radio) as on:
        yield on


@pytest.fixture
def begun(board, radio):
    """The radio is on, and in no network."""
    assert not wifi.is_connected()
    radio.answer()
    board.run()
    return board


def join(**options):
    told = []
    wifi.connect(ssid="home", **options, callback=lambda *args: told.append(args))
    return told


def test_a_program_that_starts_in_a_network_is_notified(board, radio):
    heard = record(wifi.on("none", print), "connect")
    radio.move(LinkState.UP)
    assert not heard, "its address was not known yet"
    radio.answer()
    board.run()

    assert heard == [("connect", CONNECTION)]
    assert wifi.is_connected()
    assert wifi.is_enabled()
    assert wifi.mac_address() == radio.mac


def test_starting_keeps_the_program_alive(board, radio):
    wifi.is_busy()
    assert board.handles
    radio.answer()
    board.run()

    assert not board.handles


def test_a_network_that_could_not_be_joined_at_the_start_is_no_error(board, radio):
    wifi.is_busy()
    with pytest.warns(RuntimeWarning, match="wifi: wrong key"):
        radio.refuse(NetworkUnreachableError("wrong key"))
    board.run()

    assert not wifi.is_connected()
    assert wifi.connection() is None


def test_a_radio_without_its_network_is_left_on(board, radio):
    unreachable = NodeError("ENETUNREACH: Wifi is not connected.", "ENETUNREACH")
    unreachable.hint = "home is not there"
    board.network.up = fail(unreachable)
    with pytest.warns(RuntimeWarning, match="no network: home is not there"):
        wifi.is_busy()

    assert radio.asked[0][0] == "switch_on"
    radio.answer()
    board.run()


def test_a_bug_at_the_start_ends_the_program(board, radio):
    wifi.is_busy()
    radio.refuse(KeyError("bug"))
    board.run()

    assert isinstance(board.uncaught.pop(), KeyError)


def test_connect_waits_for_the_start(board, radio):
    told = join(password="secret")
    assert [what for what, *_ in radio.asked] == ["switch_on"]
    radio.answer()
    board.run()

    assert radio.asked[0][:-1] == ("join", b"home", "wpa2", b"secret")
    assert wifi.is_busy()
    radio.move(LinkState.UP)
    radio.answer()
    board.run()
    assert told == [(None, CONNECTION)]
    assert not wifi.is_busy()


@pytest.mark.parametrize(
    ("call", "steps", "told"),
    [
        (wifi.reset, [LinkState.OFF, LinkState.UP], ["connect"]),
        (wifi.enable, [LinkState.UP], ["connect"]),
        (wifi.disconnect, [LinkState.DOWN], []),
        (lambda: wifi.connect(ssid="home"), [LinkState.UP], ["connect"]),
    ],
    ids=["reset", "enable", "disconnect", "connect"],
)
def test_what_is_asked_for_before_the_radio_is_on_is_reported_and_no_network_before_it(
    board, radio, call, steps, told
):
    heard = record(call(), "connect", "disconnect")
    radio.move(LinkState.UP)
    radio.answer()
    board.run()
    for state in steps:
        if state is not radio.link:
            radio.move(state)
        radio.answer()
    board.run()

    assert [event for event, *_ in heard] == told
    assert wifi.is_connected() is bool(told)


def test_without_a_password_a_network_is_open(begun, radio):
    join()

    assert radio.asked[0][:-1] == ("join", b"home", "unsecured", b"")


def test_options_may_come_as_a_mapping(begun, radio):
    wifi.connect({"ssid": b"home", "security": "wep", "password": "12345"})

    assert radio.asked[0][:-1] == ("join", b"home", "wep", b"12345")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "ssid"),
        ({"ssid": 1}, "ssid"),
        ({"ssid": "x" * 33}, "ssid"),
        ({"ssid": "home", "security": "wpa3"}, "security"),
        ({"ssid": "home", "security": "wpa"}, "password"),
        ({"ssid": "home", "password": "x" * 65}, "password"),
        ({"ssid": "home", "timeout": -1}, "timeout"),
        ({"ssid": "home", "timeout": True}, "timeout"),
        ({"ssid": "home", "timeout": [5]}, "timeout"),
        ({"ssid": "home", "timeout": "soon"}, "timeout"),
        ({"ssid": "home", "security": 5}, "security"),
    ],
)
def test_arguments_that_make_no_sense_are_raised(begun, options, name):
    with pytest.raises(NodeError, match=f"The option '{name}' must be") as raised:
        wifi.connect(options)
    assert "x" * 65 not in str(raised.value)


@pytest.mark.parametrize("security", ["WPA2", "Wpa2", "wpa2", None, ""])
def test_security_is_taken_in_any_case(begun, radio, security):
    wifi.connect(ssid="home", password="secret", security=security)

    assert radio.asked[0][2] == "wpa2"


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [("5", 5), (" 5s", 5), (5, 5), (2.5, 2.5), ("0", 20), (0, 20), ("", 20), (None, 20)],
)
def test_the_timeout_is_taken_as_the_tessel_took_it(begun, radio, timeout, seconds):
    told = join(timeout=timeout)
    begun.pass_time(seconds - 0.1)
    assert told == []
    begun.pass_time(0.2)

    assert [error.code for error, _ in told] == ["ETIMEDOUT"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: wifi.connect({"SSID": "home"}), "Did you mean 'ssid'"),
        (lambda: wifi.connect(ssid="home", passwort="x"), "Did you mean 'password'"),
        (lambda: wifi.connect("home"), "The argument 'options' must be a mapping"),
        (lambda: wifi.connect({"ssid": "home"}, "f"), "must be a function"),
        (lambda: wifi.reset("f"), "must be a function"),
        (lambda: wifi.enable(5), "must be a function"),
        (lambda: wifi.disable(5), "must be a function"),
        (lambda: wifi.disconnect(5), "must be a function"),
    ],
)
def test_wrong_arguments_are_raised_where_they_are_passed(begun, radio, call, says):
    with pytest.raises(TypeError, match=says):
        call()
    assert radio.asked == []


@pytest.mark.parametrize("call", ["reset", "enable", "disable", "disconnect"])
def test_nothing_is_reported_within_the_call(begun, radio, call):
    def at_once(*what):
        radio.move(LinkState.DOWN if what[0] == "switch_off" else LinkState.UP)
        return succeed(None)

    radio._ask = at_once
    told = []
    wifi.on("connect", told.append).on("disconnect", lambda: told.append("disconnect"))
    getattr(wifi, call)(lambda *args: told.append(args))
    assert told == []
    begun.run()

    assert (None, wifi.connection()) in told


@pytest.mark.parametrize("call", ["reset", "enable", "disable"])
def test_the_power_switch_works_while_a_network_is_joined(begun, radio, call):
    told = join()
    getattr(wifi, call)(lambda *args: told.append(args))
    for _ in range(3):
        for asked in [one for one in radio.asked if not one[-1].called]:
            if asked[0] != "join":
                asked[-1].callback(None)
        begun.run()

    assert told == [(None, None)]


def test_the_power_switch_is_used_by_one_call_after_the_other(begun, radio):
    told = []
    wifi.disable(lambda *args: told.append(("disable", *args)))
    wifi.enable(lambda *args: told.append(("enable", *args)))
    wifi.connect(ssid="home", callback=lambda *args: told.append(("connect", *args)))
    for what in ("switch_off", "switch_on", "join"):
        assert [asked[0] for asked in radio.asked] == [what]
        radio.answer()
        begun.run()

    assert told == [("disable", None, None), ("enable", None, None), ("connect", None, None)]
    assert not wifi.is_busy()
    assert not begun.handles


def test_a_network_that_is_not_joined_in_time_is_said_where_nobody_listens(begun, radio):
    wifi.connect(ssid="home")
    with pytest.warns(RuntimeWarning, match="The network was not joined in time") as warned:
        begun.pass_time(20)

    assert warned[0].filename == __file__
    assert str(warned[0].message).endswith("is that of WIFI_SSID, else tesselnet")


def test_a_network_that_is_not_joined_in_time_comes_with_a_hint(begun, radio):
    errors = []
    wifi.connect(ssid="home", callback=lambda error, _: errors.append(error))
    begun.pass_time(20)

    assert [error.hint for error in errors] == [
        (
            "is the network in range, and the password right? The only network of a simulated chip "
            "is that of WIFI_SSID, else tesselnet"
        )
    ]


def test_a_network_that_the_radio_joins_in_vain_is_said_and_ends_nothing(begun, radio):
    wifi.reset()
    with pytest.warns(RuntimeWarning, match="no network: it is not there. The radio tries again"):
        radio.trouble(NetworkUnreachableError("it is not there"))


@pytest.mark.parametrize(
    "call", [lambda: wifi.connect(ssid="home"), wifi.reset, wifi.disable, wifi.enable]
)
def test_on_a_machine_without_wifi_of_its_own_a_bare_call_is_said_and_ends_nothing(call):
    with powered_board() as board:
        call()
        with pytest.warns(RuntimeWarning, match="the call is ignored"):
            board.run()


@pytest.mark.parametrize("listen", [wifi.on, wifi.once])
def test_to_wait_for_the_hosts_network_is_a_warning(listen):
    with powered_board(), pytest.warns(RuntimeWarning, match="wifi never emits connect") as warned:
        listen("connect", print)
    assert [each.filename for each in warned] == [__file__]


def test_the_module_is_an_event_emitter(begun, radio):
    heard = []
    wifi.add_listener("connect", heard.append)
    assert wifi.listener_count("connect") == 1
    wifi.emit("connect", "now")
    wifi.remove_all_listeners("connect")

    assert heard == ["now"]
    assert wifi.event_names() == []
    with pytest.raises(AttributeError, match="no attribute 'konnect'"):
        wifi.konnect  # noqa: B018 - the attribute is the test


def test_a_failure_is_reported_to_the_callback(begun, radio):
    told = join()
    radio.refuse(NetworkUnreachableError("the network is not there"))
    begun.run()

    ((error, connection),) = told
    assert (str(error), error.code) == ("the network is not there", "ENETUNREACH")
    assert connection is None


def test_without_a_callback_a_failure_is_an_error(begun, radio):
    heard = record(wifi.connect(ssid="home"), "error")
    radio.refuse(NetworkUnreachableError("the network is not there"))
    begun.run()

    assert [error.code for _, error in heard] == ["ENETUNREACH"]


def test_a_network_that_takes_too_long_is_a_timeout(begun, radio):
    told = join(timeout=5)
    heard = record(wifi.on("none", print), "timeout")
    begun.pass_time(5)

    assert [error.code for error, _ in told] == ["ETIMEDOUT"]
    assert [event for event, _ in heard] == ["timeout"]
    assert not wifi.is_busy()


def test_a_timeout_without_a_callback_is_the_event_alone(begun, radio):
    heard = record(wifi.connect(ssid="home"), "timeout", "error")
    begun.pass_time(20)

    assert [event for event, _ in heard] == ["timeout"]


def test_two_at_a_time_are_one_too_many(begun, radio):
    join()
    told = join()
    begun.run()

    assert [error.code for error, _ in told] == ["EBUSY"]
    assert len(radio.asked) == 1


def test_coming_and_going_is_reported(begun, radio):
    heard = record(wifi.on("none", print), "connect", "disconnect")
    wifi.off("none", print)
    radio.move(LinkState.UP)
    radio.move(LinkState.DOWN)
    radio.move(LinkState.JOINING)

    assert heard == [("connect", CONNECTION), ("disconnect",)]


def test_once_is_once(begun, radio):
    heard = []
    wifi.once("connect", heard.append)
    for state in (LinkState.UP, LinkState.DOWN, LinkState.UP):
        radio.move(state)

    assert heard == [CONNECTION]


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (wifi.disconnect, ["leave"]),
        (wifi.reset, ["switch_off", "switch_on"]),
        (wifi.enable, ["switch_on"]),
        (wifi.disable, ["switch_off"]),
    ],
)
def test_what_is_asked_for_is_done_and_reported(begun, radio, call, asked):
    told = []
    call(lambda *args: told.append(args))
    for what in asked:
        assert radio.asked[0][0] == what
        assert not told
        radio.answer()
    begun.run()

    assert told == [(None, None)]
    call()


def test_a_bug_below_ends_the_program(begun, radio):
    wifi.disconnect()
    radio.refuse(KeyError("bug"))
    begun.run()

    assert isinstance(begun.uncaught.pop(), KeyError)


def test_a_board_without_a_radio_of_its_own_is_connected_and_can_do_nothing():
    with powered_board(None) as board:
        told = []
        wifi.connect(ssid="home", callback=lambda *args: told.append(args))
        board.run()

        assert [error.code for error, _ in told] == ["ENOTSUP"]
        assert wifi.is_connected()
        assert wifi.is_enabled()
        assert wifi.connection() is None
        assert wifi.mac_address() is None


def test_a_board_whose_settings_cannot_be_used_says_so(board, radio):
    board.network.up = fail(NodeError("PROXY_PORT is wrong", "ERR_SETTINGS"))
    with pytest.warns(RuntimeWarning, match="PROXY_PORT is wrong"):
        wifi.is_busy()
    board.run()

    assert not radio.asked


def test_a_network_that_the_chip_joins_again_by_itself_has_its_name_and_address():
    ours = Radio()
    of_chip = Cc3000Wifi(ours.radio)
    ours.now(of_chip.leave())
    assert of_chip.status() is None
    ours.now(of_chip.switch_off())
    ours.now(of_chip.switch_on())
    assert of_chip.link is LinkState.UP
    status = of_chip.status()
    assert (status.ssid, status.address) == (NETWORK.ssid, ours.chip.wlan.lease.address)
