"""The truth table of egress: what a device asks for, under which rules -> what it gets.

docs/egress.md shows this table, and test_egress_table.py plays each of its rows against the proxy.
A result is `dialled ADDRESS` (with `, logged RULE` where a refusal is only reported), `EACCES RULE`
as in the device's error and the log, or `ENOTFOUND` for text that is not a host.
"""

from dataclasses import dataclass, field

ACCOUNT = "kim"
OWN_ADDRESS = "51.15.0.7"
OWN_PORT = 5005


@dataclass(frozen=True)
class Row:
    host: str
    result: str
    port: int = 443
    answers: tuple[str, ...] | None = None  # of the look-up; None: there is to be none


@dataclass(frozen=True)
class Group:
    title: str
    rows: tuple[Row, ...]
    settings: dict[str, str] = field(default_factory=dict)
    policy_file: str = ""


def literals(*pairs):
    """Addresses as such; without a result of its own, one is dialled unchanged."""
    return tuple(Row(host, result or f"dialled {host}") for host, result in pairs)


def embedded(result, *hosts):
    return tuple(Row(host, result) for host in hosts)


def name(host, result, *answers, port=443):
    return Row(host, result, port, answers)


def at(port, *pairs):
    return tuple(Row(host, result, port) for host, result in pairs)


DIALLED_8 = "dialled 8.8.8.8"

TABLE = (
    Group(
        "IPv4 addresses",
        literals(
            ("8.8.8.8", ""),
            ("11.0.0.0", ""),
            ("100.128.0.0", ""),
            ("172.32.0.0", ""),
            ("0.0.0.0", "EACCES unspecified"),
            ("0.1.2.3", "EACCES unspecified"),
            ("127.0.0.1", "EACCES loopback"),
            ("127.255.255.255", "EACCES loopback"),
            ("10.0.0.1", "EACCES private"),
            ("172.16.0.1", "EACCES private"),
            ("192.168.1.1", "EACCES private"),
            ("100.64.0.1", "EACCES shared"),
            ("169.254.1.1", "EACCES link_local"),
            ("169.254.169.254", "EACCES metadata"),
            ("100.100.100.200", "EACCES metadata"),
            ("168.63.129.16", "EACCES metadata"),
            ("192.0.0.192", "EACCES metadata"),
            ("192.0.2.1", "EACCES reserved"),
            ("192.88.99.1", "EACCES reserved"),
            ("198.18.0.1", "EACCES reserved"),
            ("224.0.0.1", "EACCES multicast"),
            ("240.0.0.1", "EACCES reserved"),
            ("255.255.255.255", "EACCES broadcast"),
        ),
    ),
    Group(
        "IPv4 in odd notations",
        (
            *embedded(
                "EACCES loopback",
                "127.1",
                "127.0.1",
                "2130706433",
                "0x7f000001",
                "0x7F.1",
                "017700000001",
                "0177.0.0.1",
                "127.0.0.01",
                "127.0.0.1.",
                "１２７.０.０.１",  # noqa: RUF001 -- full-width digits are the point
                "127。0。0。1",
            ),
            Row("0", "EACCES unspecified"),
            Row("0xA9FEA9FE", "EACCES metadata"),
            Row("134744072", DIALLED_8),
            Row("010.8.8.8", DIALLED_8),
            *embedded(
                "ENOTFOUND", "08.8.8.8", "256.1", "4294967296", "1.2.3.4.5", "0x", "1.2.3.x.4"
            ),
        ),
    ),
    Group(
        "IPv6 addresses",
        literals(
            ("2606:4700:4700::1111", ""),
            ("[2606:4700:4700::1111]", "dialled 2606:4700:4700::1111"),
            ("::", "EACCES unspecified"),
            ("::1", "EACCES loopback"),
            ("[::1]", "EACCES loopback"),
            ("0:0:0:0:0:0:0:1", "EACCES loopback"),
            ("fe80::1", "EACCES link_local"),
            ("fec0::1", "EACCES private"),
            ("fc00::1", "EACCES unique_local"),
            ("fd12:3456::1", "EACCES unique_local"),
            ("fd00:ec2::254", "EACCES metadata"),
            ("fd20:ce::254", "EACCES metadata"),
            ("ff02::1", "EACCES multicast"),
            ("100::1", "EACCES reserved"),
            ("2001:db8::1", "EACCES reserved"),
            ("3fff::1", "EACCES reserved"),
            ("5f00::1", "EACCES reserved"),
            ("fe80::1%eth0", "ENOTFOUND"),
            ("[::1", "ENOTFOUND"),
            ("[127.0.0.1]", "ENOTFOUND"),
            ("[example.com]", "ENOTFOUND"),
        ),
    ),
    Group(
        "IPv4 within IPv6",
        (
            *embedded(
                "EACCES loopback",
                "::ffff:127.0.0.1",
                "[::ffff:7f00:1]",
                "::ffff:0:127.0.0.1",
                "::127.0.0.1",
                "64:ff9b::127.0.0.1",
                "2002:7f00:1::1",
            ),
            *embedded(
                "EACCES metadata",
                "::ffff:169.254.169.254",
                "64:ff9b::a9fe:a9fe",
                "2002:a9fe:a9fe::1",
                "2001:0:808:808:8000:63bf:5601:5601",
            ),
            *embedded(
                "EACCES private",
                "::ffff:10.0.0.1",
                "64:ff9b::10.0.0.1",
                "2002:a00:1::1",
                "2001:0:808:808:8000:63bf:f5ff:fffe",
                "2001:0:a00:1:8000:63bf:f7f7:f7f7",
            ),
            Row("64:ff9b:1::8.8.8.8", "EACCES reserved"),
            *literals(
                ("::ffff:8.8.8.8", "dialled ::ffff:8.8.8.8"),
                ("64:ff9b::8.8.8.8", "dialled 64:ff9b::808:808"),
                ("2002:808:808::1", ""),
                ("2001:0:808:808:8000:63bf:f7f7:f7f7", ""),
            ),
        ),
    ),
    Group(
        "Names",
        (
            name("example.com", DIALLED_8, "8.8.8.8"),
            name("Example.COM.", DIALLED_8, "8.8.8.8"),
            name("bücher.example", DIALLED_8, "8.8.8.8"),
            name("localhost", "EACCES loopback", "127.0.0.1"),
            name("inside.example", "EACCES private", "10.0.0.1"),
            name("inside.example", "EACCES loopback", "::1"),
            name("inside.example", "EACCES metadata", "::ffff:169.254.169.254"),
            name("inside.example", "EACCES private", "64:ff9b::10.0.0.1"),
            name("one-is-bad.example", "EACCES private", "8.8.8.8", "10.0.0.1"),
            name("one-is-bad.example", "EACCES loopback", "2606:4700::1", "8.8.8.8", "::1"),
            *embedded("ENOTFOUND", "exa mple.com", "a..b", "*.example.com", "user@example.com"),
        ),
    ),
    Group(
        "The machine that the proxy runs on",
        (
            Row(OWN_ADDRESS, "EACCES own_address"),
            Row(f"64:ff9b::{OWN_ADDRESS}", "EACCES own_address"),
            Row(OWN_ADDRESS, "EACCES own_listener", OWN_PORT),
            Row("127.0.0.1", "EACCES own_listener", OWN_PORT),
            Row("::1", "EACCES own_listener", OWN_PORT),
            name("me.example", "EACCES own_address", OWN_ADDRESS),
        ),
    ),
    Group(
        "Allowed networks, names and ports",
        (
            Row("10.1.2.3", "dialled 10.1.2.3"),
            Row("::ffff:10.1.2.3", "dialled ::ffff:10.1.2.3"),
            Row("10.2.0.1", "EACCES private"),
            Row("172.16.0.1", "dialled 172.16.0.1", 80),
            Row("172.16.0.1", "dialled 172.16.0.1", 8500),
            Row("172.16.0.1", "EACCES private", 9000),
            Row("fd00::1", "dialled fd00::1"),
            Row("fd00::1", "EACCES unique_local", 80),
            name("db.example", "dialled 192.168.0.9", "192.168.0.9"),
            name("www.db.example", "EACCES private", "192.168.0.9"),
            name("corp.example", "dialled 192.168.0.9", "192.168.0.9"),
            name("www.corp.example", "dialled 192.168.0.9", "192.168.0.9"),
            name("notcorp.example", "EACCES private", "192.168.0.9"),
            Row("192.168.0.9", "EACCES private"),
            Row("127.0.0.1", "dialled 127.0.0.1", 80),
            Row("127.0.0.1", "EACCES own_listener", OWN_PORT),
            name("mixed.example", "EACCES private", "10.1.2.3", "10.2.0.1"),
            Row("64:ff9b::10.1.2.3", "dialled 64:ff9b::a01:203"),
            # Teredo of server and client: one that is allowed does not lift the other's refusal
            Row("2001:0:a01:203:8000:63bf:5601:5601", "EACCES private"),
            Row("2001:0:a9fe:a9fe:8000:63bf:f5fe:fdfc", "EACCES metadata"),
            Row("2001:0:a01:203:8000:63bf:f5fe:fdfc", "dialled 2001:0:a01:203:8000:63bf:f5fe:fdfc"),
        ),
        {
            "EGRESS_ALLOW": "10.1.0.0/16 172.16.0.0/12:80,8000-8999 [fd00::/8]:443 "
            "db.example .corp.example 127.0.0.0/8"
        },
    ),
    Group(
        "A listener of the proxy, allowed by its port",
        (Row("127.0.0.1", "dialled 127.0.0.1", OWN_PORT), Row("127.0.0.1", "EACCES loopback")),
        {"EGRESS_ALLOW": "127.0.0.1:5005"},
    ),
    Group(
        "Deny beats allow",
        (
            Row("10.1.2.3", "EACCES EGRESS_DENY 10.1.0.0/16"),
            Row("::ffff:10.1.2.3", "EACCES EGRESS_DENY 10.1.0.0/16"),
            Row("64:ff9b::10.1.2.3", "EACCES EGRESS_DENY 10.1.0.0/16"),
            Row("2001:0:a01:203:8000:63bf:f5fd:fffe", "EACCES EGRESS_DENY 10.1.0.0/16"),
            Row("2001:0:a02:1:8000:63bf:f5fe:fdfc", "EACCES EGRESS_DENY 10.1.0.0/16"),
            Row("10.2.0.1", "dialled 10.2.0.1"),
            Row("bad.example", "EACCES EGRESS_DENY .bad.example"),
            Row("www.Bad.example.", "EACCES EGRESS_DENY .bad.example"),
            name("good.example", "EACCES EGRESS_DENY 8.8.8.0/24", "9.9.9.9", "8.8.8.8"),
            name("good.example", "dialled 9.9.9.9", "9.9.9.9"),
            name("good.example", "dialled 10.2.0.1", "10.2.0.1"),
            name("good.example", "EACCES EGRESS_DENY 10.1.0.0/16", "10.1.2.3"),
            Row("9.9.9.9", "EACCES EGRESS_DENY *:25", 25),
            Row("any.example", "EACCES EGRESS_DENY *:25", 25),
        ),
        {
            "EGRESS_ALLOW": "10.0.0.0/8 good.example",
            "EGRESS_DENY": "10.1.0.0/16 .bad.example 8.8.8.0/24 *:25",
        },
    ),
    Group(
        "Report: nothing is refused, all is logged",
        (
            Row("10.0.0.1", "dialled 10.0.0.1, logged private"),
            name("bad.example", "dialled 10.0.0.1, logged EGRESS_DENY bad.example", "10.0.0.1"),
            Row("8.8.8.8", DIALLED_8),
        ),
        {"EGRESS_MODE": "report", "EGRESS_DENY": "bad.example"},
    ),
    Group(
        "Open: nothing is refused but what a rule denies",
        (
            Row("127.0.0.1", "dialled 127.0.0.1"),
            Row("127.0.0.1", "dialled 127.0.0.1", OWN_PORT),
            Row("169.254.169.254", "EACCES EGRESS_DENY 169.254.0.0/16"),
        ),
        {"EGRESS_MODE": "open", "EGRESS_DENY": "169.254.0.0/16"},
    ),
    Group(
        "An account's section adds to the environment's rules",
        (
            Row("10.1.2.3", "dialled 10.1.2.3"),
            Row("10.1.9.9", "EACCES EGRESS_DENY 10.1.9.9/32"),
            Row("bad.example", "EACCES [account kim] deny bad.example"),
            name("ugly.example", DIALLED_8, "8.8.8.8"),
        ),
        {"EGRESS_DENY": "10.1.9.9"},
        "[default]\ndeny ugly.example\n[account kim]\nallow 10.1.0.0/16\ndeny bad.example\n",
    ),
    Group(
        "An account that may reach some targets only",
        (
            name("api.example", DIALLED_8, "8.8.8.8"),
            name("api.example", "EACCES private", "10.0.0.1"),
            Row("api.example", "EACCES [account kim] only", 80),
            Row("other.example", "EACCES [account kim] only"),
            Row("8.8.8.8", "EACCES [account kim] only"),
        ),
        policy_file="[account kim]\nonly api.example:443\n",
    ),
    Group(
        "Some networks only",
        (
            Row("9.9.9.9", "dialled 9.9.9.9"),
            Row("8.8.8.8", "EACCES [default] only"),
            name("other.example", "dialled 9.9.9.9", "9.9.9.9"),
            name("other.example", "EACCES [default] only", "9.9.9.9", "8.8.8.8"),
            Row("64:ff9b::9.9.9.9", "dialled 64:ff9b::909:909"),
            Row("2001:0:909:909:8000:63bf:f7f7:f7f7", "EACCES [default] only"),
        ),
        policy_file="[default]\nonly 9.9.9.0/24\n",
    ),
    Group(
        "Accounts without a section have the default's",
        (
            Row("10.0.0.1", "dialled 10.0.0.1, logged private"),
            Row("8.8.8.8", "dialled 8.8.8.8, logged [default] deny 8.8.8.8/32"),
        ),
        policy_file="[default]\nmode report\ndeny 8.8.8.8\n[account lee]\ndeny *\n",
    ),
)


def in_markdown():
    """The table as docs/egress.md has it."""
    return "\n\n".join(map(_group_in_markdown, TABLE)) + "\n"


def _group_in_markdown(group):
    lines = [f"{key}={value}" for key, value in group.settings.items()]
    if group.policy_file:
        lines += ["# in POLICY_FILE:", *group.policy_file.splitlines()]
    rules = ["```", *lines, "```", ""] if lines else []
    head = ["| asked for | port | the name's addresses | result |", "|---|---|---|---|"]
    rows = [
        f"| `{row.host}` | {row.port} | {' '.join(row.answers or ())} | {row.result} |"
        for row in group.rows
    ]
    return "\n".join([f"### {group.title}", "", *rules, *head, *rows])
