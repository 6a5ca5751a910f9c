# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does
from dataclasses import dataclass
from pathlib import Path

import pytest

from tessel_service_kit.parsers import integer, optional, seconds
from tessel_service_kit.settings import MAX_SECRET_BYTES, ConfigError, Settings, setting
from tessel_service_kit.settings_help import described, lookalikes


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """One setting of each kind."""

    port: int = setting("PORT", "80", "where it listens", integer(0, 65535))
    wait_s: float = setting("WAIT_S", "10", "how long it waits", seconds)
    folder: Path | None = setting("FOLDER", "", "what it keeps is kept here", optional(Path))
    words: tuple[str, ...] = setting("WORDS", "a b", "what it says", lambda text: (*text.split(),))
    pin: int = setting("PIN", "1234", "what opens it", integer(0, 9999), secret=True)
    seed: str = setting("SEED", "s", "what it grows from", str, secret=True)


SETTINGS = tuple(Config.table().values())


def faults(**environ):
    with pytest.raises(ConfigError) as raised:
        Config.from_env(environ)
    return list(raised.value.faults)


def test_each_setting_is_a_field_with_its_default():
    assert {name: each.name for name, each in Config.table().items()} == {
        name: name.upper() for name in Config.__dataclass_fields__
    }
    assert Config.from_env({}) == Config()
    assert (Config().port, Config().wait_s, Config().folder) == (80, 10.0, None)


def test_settings_are_read_and_other_variables_are_ignored():
    environ = {"PORT": "0", "WORDS": "x", "PIN": "7", "SOMETHING_ELSE": "1"}
    assert Config.from_env(environ) == Config(port=0, words=("x",), pin=7)


def test_set_but_empty_counts_as_not_set():
    assert Config.from_env({name: "" for each in SETTINGS for name in each.names}) == Config()


def test_all_faults_are_named_at_once_with_name_value_and_what_is_allowed():
    assert faults(WAIT_S="soon", PORT="99999") == [
        "PORT='99999'; allowed: an integer from 0 to 65535",
        "WAIT_S='soon'; allowed: seconds, more than 0 and at most 86400",
    ]


def test_a_faulty_setting_has_its_default_in_further_checks():
    config, found = Config.read({"PORT": "x", "WAIT_S": "3"})
    assert config == Config(wait_s=3.0)
    assert len(found) == 1


def test_some_settings_may_be_read_alone():
    environ = {"WAIT_S": "3", "PORT": "x", "PIN": "y"}
    assert Config.some_from_env(environ, "wait_s") == Config(wait_s=3.0)
    with pytest.raises(ConfigError, match="PIN"):
        Config.some_from_env(environ, "wait_s", "pin")


def test_the_exception_reads_as_its_faults():
    assert str(ConfigError(["one", "two"])) == "one\ntwo"


# --- secrets


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_come_from_a_file_with_or_without_a_line_end(tmp_path, ending):
    file = tmp_path / "pin"
    file.write_bytes(b"0042" + ending.encode())
    assert Config.from_env({"PIN_FILE": str(file)}).pin == 42


@pytest.mark.parametrize("form", ["{}\r", " {}", "\ufeff{}", "{} \t\r\n"])
def test_whitespace_around_a_value_is_removed(form, tmp_path):
    file = tmp_path / "pin"
    file.write_text(form.format("7"), newline="")
    given = {"PORT": "8080", "WAIT_S": "2.5", "FOLDER": "/tmp/a b", "WORDS": "x, y"}
    environ = {name: form.format(text) for name, text in given.items()}
    environ["PIN_FILE"] = form.format(file)
    config = Config.from_env(environ)
    assert (config.port, config.wait_s, config.folder) == (8080, 2.5, Path("/tmp/a b"))
    assert (config.words, config.pin) == (("x,", "y"), 7)


def test_whitespace_alone_counts_as_not_set():
    blank = {name: " \r\n" for each in SETTINGS for name in each.names}
    assert Config.from_env(blank) == Config()


def test_a_value_in_quotes_is_a_fault_and_a_secret_one_is_not_shown():
    assert faults(PORT='"80"', FOLDER="'/tmp'", SEED="'HUSH'", PIN_FILE="'x'") == [
        "PORT='\"80\"' is in quotes; allowed: the value without quotes",
        "FOLDER=\"'/tmp'\" is in quotes; allowed: the value without quotes",
        "PIN_FILE=\"'x'\" is in quotes; allowed: the value without quotes",
        "SEED is in quotes; allowed: the value without quotes",
    ]


def test_an_exact_value_keeps_spaces_and_quotes(tmp_path):
    file = tmp_path / "x"
    file.write_text("\ufeff ' ' \r\n\n")
    each = setting("X", "", "", str, secret=True, exact=True).metadata["setting"]
    assert each.read({"X": " '' \n"}) == " '' "
    assert each.read({"X_FILE": str(file)}) == " ' ' "


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_secrets_file_in_utf_16_is_a_fault(tmp_path, encoding):
    file = tmp_path / "pin"
    file.write_bytes("\ufeff42".encode(encoding))
    assert faults(PIN_FILE=str(file)) == [
        f"PIN_FILE={str(file)!r} is UTF-16; allowed: UTF-8, without a byte order mark"
    ]


def test_a_missing_secrets_file_says_how_to_make_it(tmp_path):
    each = setting("X", "", "", str, secret=True, how_to_make="`make > {path}` makes one")
    path = tmp_path / "a b"
    with pytest.raises(ConfigError, match=f"No such file or directory; `make > '{path}'` makes"):
        each.metadata["setting"].read({"X_FILE": str(path)})


def test_a_secrets_file_can_be_read_again(tmp_path):
    file = tmp_path / "pin"
    file.write_text("1")
    again = Config.table()["pin"].file({"PIN_FILE": f" {file}\r"})
    file.write_text("2")
    assert (again.name, again.path, again.read()) == ("PIN_FILE", file, 2)
    file.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        again.read()
    file.mkdir()
    with pytest.raises(ConfigError, match="is not a regular file any more"):
        again.read()


def test_a_secret_from_a_pipe_is_read_only_once(tmp_path):
    pin = Config.table()["pin"]
    assert pin.file({}) is None
    assert pin.file({"PIN_FILE": str(tmp_path)}) is None
    assert Config.table()["port"].file({"PORT_FILE": __file__}) is None


def test_a_byte_order_mark_before_a_name_is_shown():
    assert lookalikes({"\ufeffFOLDER": "x"}, SETTINGS) == [
        "'\\ufeffFOLDER' is not a setting: did you mean FOLDER?"
    ]


def test_a_fault_in_a_secrets_file_names_the_file_and_not_its_content(tmp_path):
    file = tmp_path / "pin"
    file.write_text("HUSH")
    assert faults(PIN_FILE=str(file)) == [
        f"PIN_FILE={str(file)!r}; allowed: an integer from 0 to 9999"
    ]


def test_a_secret_set_twice_is_a_fault():
    assert faults(PIN="1", PIN_FILE="x") == ["PIN and PIN_FILE are both set; allowed: one of them"]


def test_a_secrets_file_that_is_missing_empty_or_endless_is_a_fault(tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("\n")
    missing = tmp_path / "missing"
    for file, why in [
        (missing, "cannot be read: No such file or directory"),
        (empty, "is empty; allowed: a file that holds the secret"),
        (Path("/dev/zero"), f"is too large; allowed: {MAX_SECRET_BYTES} bytes"),
    ]:
        assert faults(PIN_FILE=str(file)) == [f"PIN_FILE={str(file)!r} {why}"]


def test_secrets_are_not_shown():
    assert faults(PIN="HUSH") == ["PIN; allowed: an integer from 0 to 9999"]
    config = Config(pin=4711, seed="HUSH")
    for shown in (repr(config), str(config.shown())):
        assert "4711" not in shown
        assert "HUSH" not in shown


def test_a_config_shows_each_setting_as_it_could_be_written():
    assert Config().shown() == [
        ("PORT", "80"),
        ("WAIT_S", "10"),
        ("FOLDER", ""),
        ("WORDS", "a b"),
        ("PIN", "(set)"),
        ("SEED", "(set)"),
    ]


# --- the table


def test_the_help_shows_defaults_and_files():
    assert described(SETTINGS).splitlines() == [
        "  PORT    where it listens (default: 80)",
        "  WAIT_S  how long it waits (default: 10)",
        "  FOLDER  what it keeps is kept here",
        "  WORDS   what it says (default: a b)",
        "  PIN     what opens it (default: 1234; or from a file: PIN_FILE)",
        "  SEED    what it grows from (default: s; or from a file: SEED_FILE)",
    ]


def test_the_help_is_wrapped_beside_the_names():
    long = setting("X", "", "word " * 40, str).metadata["setting"]
    first, *more = described((long,)).splitlines()
    assert first.startswith("  X  word word")
    assert all(line.startswith("     word") for line in more)
    assert max(map(len, [first, *more])) <= 98


def test_variables_similar_to_settings_cause_hints():
    environ = {"FOLDERS": "x", "WORDS_FILE": "x", "PATH": "x", "PORTAL": "x", "PORT": "1"}
    assert lookalikes(environ, SETTINGS) == [
        "FOLDERS is not a setting: did you mean FOLDER?",
        "WORDS_FILE is not a setting: WORDS cannot be read from a file",
    ]
