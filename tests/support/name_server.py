"""A name server that answers as each name says: a-RULE.aaaa-RULE.test.

Rules: an address, with dashes for its dots or colons, `none`, `nxdomain`, `servfail`, `refused` or
`silent`. With a label `alias` the answer is about the canonical name of this one (CNAME).
Run it as `python name_server.py`: it takes port 53 of 127.0.0.1.
"""

import socket
import struct

RCODES = {"servfail": 2, "nxdomain": 3, "refused": 5}
WORDS = ("none", "silent", *RCODES)
FAMILIES = {1: "a", 28: "aaaa"}
PORT = 53


def question(query):
    """Return labels, type and end of the question."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    return labels, struct.unpack_from("!H", query, at + 1)[0], at + 5


def rule_of(labels, kind):
    for label in labels:
        family, dash, rule = label.partition("-")
        if dash and family == kind:
            return rule
    return "none"


CANONICAL = b"\x09canonical\x04test\x00"
ALIAS_POINTER = 0xC00C  # the name in the question


def record(owner, kind, number, rule):
    if kind == "aaaa":
        data = socket.inet_pton(socket.AF_INET6, rule.replace("-", ":"))
    else:
        data = socket.inet_aton(rule.replace("-", "."))
    return owner + struct.pack("!HHIH", number, 1, 0, len(data)) + data


def alias():
    head = struct.pack("!HHHIH", ALIAS_POINTER, 5, 1, 0, len(CANONICAL))
    return head + CANONICAL


def answer_to(query):
    """Return the reply; None: send none."""
    labels, number, end = question(query)
    kind = FAMILIES.get(number)
    rule = rule_of(labels, kind) if kind else "none"
    if rule == "silent":
        return None
    records = [alias()] if "alias" in labels else []
    owner = CANONICAL if records else struct.pack("!H", ALIAS_POINTER)
    if kind and rule not in WORDS:
        records.append(record(owner, kind, number, rule))
    flags = 0x8180 | RCODES.get(rule, 0)
    head = query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
    return head + query[12:end] + b"".join(records)


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", PORT))
        print("ready", flush=True)  # noqa: T201 -- for the parent process
        while True:
            query, peer = server.recvfrom(4096)
            if (answer := answer_to(query)) is not None:
                server.sendto(answer, peer)


if __name__ == "__main__":
    main()
