"""`dns` in a program that a device runs, compared with plain Node."""

from pathlib import Path

import pytest

from support.javascript import on_device
from support.javascript.on_device import run_on_device, run_on_node

BATTERY = Path(on_device.__file__).parent / "programs" / "dns.js"

SHOWN = """
const dns = require('dns');
const shown = (error) => error && [error.code, error.syscall, error.hostname].join(' ');
"""


def ran(tmp_path, text, **environ):
    result = run_on_device(tmp_path, SHOWN + text, **environ)
    assert result.code == 0, result.err
    return result


def test_look_ups_behave_as_in_plain_node(tmp_path):
    text = BATTERY.read_text()
    here, there = run_on_device(tmp_path, text), run_on_node(tmp_path, text)
    assert (here.code, here.err) == (0, "")
    assert here.lines == there.lines


@pytest.mark.parametrize(
    ("call", "printed"),
    [
        ("dns.resolve4('localhost', say)", 'null ["127.0.0.1"]'),
        ("dns.resolve('localhost', 'A', say)", 'null ["127.0.0.1"]'),
        (
            "dns.resolve4('localhost', { ttl: true }, say)",
            'null [{"address":"127.0.0.1","ttl":0}]',
        ),
        ("new dns.Resolver().resolve4('localhost', say)", 'null ["127.0.0.1"]'),
        (
            "dns.promises.resolve4('localhost').then((found) => say(null, found))",
            'null ["127.0.0.1"]',
        ),
        ("dns.resolve6('no.invalid', say)", "ENOTFOUND queryAaaa no.invalid undefined"),
        ("dns.promises.resolve('no.invalid').catch(say)", "ENOTFOUND queryA no.invalid undefined"),
    ],
)
def test_the_radio_resolves_names_to_addresses(tmp_path, call, printed):
    say = "const say = (error, found) => console.log(shown(error), JSON.stringify(found));"
    assert ran(tmp_path, say + call).lines == [printed]


@pytest.mark.parametrize(
    ("call", "printed"),
    [
        ("dns.resolveMx('localhost', say)", "ENOTIMP queryMx localhost"),
        ("dns.resolve('localhost', 'TXT', say)", "ENOTIMP queryTxt localhost"),
        ("new dns.promises.Resolver().resolveAny('a').catch(say)", "ENOTIMP queryAny a"),
        ("dns.reverse('127.0.0.1', say)", "ENOTIMP getHostByAddr 127.0.0.1"),
        ("dns.lookupService('127.0.0.1', 22, say)", "ENOTIMP getnameinfo 127.0.0.1"),
    ],
)
def test_other_records_fail_with_an_error_and_a_warning(tmp_path, call, printed):
    done = ran(tmp_path, "const say = (error) => console.log(shown(error));" + call)
    assert done.lines == [printed]
    assert "a board's radio looks up only addresses (A and AAAA)" in done.err


def test_a_cancelled_look_up_is_answered_once_with_the_error(tmp_path):
    text = """
    const resolver = new dns.Resolver();
    resolver.resolve4('localhost', (error) => console.log(shown(error)));
    resolver.cancel();
    """
    assert ran(tmp_path, text).lines == ["ECANCELLED queryA localhost"]


def test_other_name_servers_are_refused(tmp_path):
    text = """
    for (const one of [dns, new dns.Resolver()]) {
      try { one.setServers(['192.0.2.1']); } catch (error) { console.log(error.message); }
    }
    """
    expected = "setServers: a board's radio asks the name server of its network, and no other"
    assert ran(tmp_path, text).lines == [expected] * 2


def test_the_name_servers_of_the_host_are_this_machines(tmp_path):
    text = "console.log(JSON.stringify(require('dns').getServers()));"
    assert ran(tmp_path, text).lines == run_on_node(tmp_path, text).lines


def test_import_gives_the_same_dns(tmp_path):
    text = """
    import { lookup } from 'node:dns';
    import { resolve4 } from 'node:dns/promises';
    lookup('localhost', 4, async (_, address) => console.log(address, await resolve4('localhost')));
    """
    done = run_on_device(tmp_path, text, name="program.mjs")
    assert (done.code, done.lines) == (0, ["127.0.0.1 [ '127.0.0.1' ]"])


def test_an_error_in_one_callback_concerns_no_other_look_up(tmp_path):
    text = """
    process.on('uncaughtException', (error) => console.log(error.message));
    for (const number of [1, 2, 3]) {
      dns.lookup('localhost', 4, () => { throw new Error(`of look-up ${number}`); });
    }
    """
    assert sorted(ran(tmp_path, text).lines) == [f"of look-up {number}" for number in (1, 2, 3)]
