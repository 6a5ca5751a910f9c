"""An invented fleet in which things happen, for pictures of the page and for work on it."""

import math
import random
import threading
import time

from support.page.stand_in_api import (
    HISTORY_STEPS,
    STEP_S,
    StandInApi,
    account,
    proxy,
    substream,
    tunnel,
)

SEED = 4  # so that pictures differ only where the page does
ACCOUNTS = ["anna", "bakery-01", "greenhouse", "harbour", "lab-west", "museum", "weather"]
THINGS = ["kitchen", "roof", "pump", "door-2", "meter", "camera", "fridge", "siren", "soil"]
TARGETS = ["api.example.com:443", "mqtt.greenhouse.example:8883", "updates.tessel.example:443"]
NETWORKS = ["192.0.2.", "198.51.100.", "203.0.113."]
REFUSALS = [
    ("TP1005", "10.0.0.7:22 is refused by the rule private"),
    ("TP1004", "the look-up of nowhere.example failed"),
    ("TP2005", "the token is not known"),
]
MEAN_AGE_S = 40_000
MEAN_FROM_TARGET_PER_S = 60_000
BUSY = 0.4  # share of tunnels that move bytes


def sample_fleet(tunnels=480):
    """Return a stand-in for the API of this fleet, in which something changes each second."""
    api, chance = StandInApi(), random.Random(SEED)
    api.have(*(_tunnel(number, chance) for number in range(tunnels)))
    for name in api.tunnels:
        api.substreams[name] = [_substream(at, chance) for at in range(1, 4)]
    api.accounts = [_account(name, chance) for name in ACCOUNTS]
    api.history = _history(chance)
    api.refused = _rules()
    obstacle = "the token service does not answer (TP3004)"
    api.proxies = [
        *(proxy("edge-1/3fa95c1e"), proxy("edge-1/9c01d2ab")),
        proxy("edge-2/71aa03f9", ready=False, obstacles=[obstacle]),
        proxy("edge-3/0bb1c4d7", draining=True),
    ]
    threading.Thread(target=_live, args=(api, chance), daemon=True).start()
    return api


def _tunnel(number, chance):
    is_busy = chance.random() < BUSY
    return tunnel(
        number,
        account=chance.choice(ACCOUNTS),
        device=f"{chance.choice(THINGS)}-{number}" if number % 37 else None,
        address=f"{chance.choice(NETWORKS)}{chance.randrange(1, 254)}",
        proxy=f"edge-{number % 3 + 1}",
        member=f"edge-{number % 3 + 1}/3fa95c1e",
        since_at=time.time() - chance.expovariate(1 / MEAN_AGE_S),
        bytes_from_device=int(chance.expovariate(1 / 3e6)),
        bytes_from_target=int(chance.expovariate(1 / 9e7)),
        bytes_from_device_per_s=chance.expovariate(1 / 900) if is_busy else 0.0,
        bytes_from_target_per_s=chance.expovariate(1 / MEAN_FROM_TARGET_PER_S) if is_busy else 0.0,
        open_substreams=chance.randrange(6),
    )


def _substream(number, chance):
    since_at = time.time() - chance.expovariate(1 / 200)
    more = {"since_at": since_at, "kind": chance.choice(["net", "tls"])}
    return substream(number, target=TARGETS[number - 1], **more)


def _account(name, chance):
    refused = {"TP1005": chance.randrange(1, 300), "TP2005": chance.randrange(1, 9)}
    return account(
        name,
        tunnels=chance.randrange(10, 90),
        substreams=chance.randrange(30, 300),
        bytes_today=int(chance.random() * 1.1e9),
        refused=refused if chance.random() < BUSY else {},
    )


def _rules():
    now = time.time()
    camera = {"account": "museum", "device": "camera-12", "address": None}
    network = {"account": None, "device": None, "address": "203.0.113.0/24"}
    return [
        {
            "id": "r0",
            **camera,
            "reason": "sends 2 GiB an hour",
            "by": "session",
            "until_at": now + 80_000,
            "since_at": now - 3_000,
        },
        {
            "id": "r1",
            **network,
            "reason": "guesses tokens",
            "by": "unix:uid=1000",
            "until_at": None,
            "since_at": now - 300_000,
        },
    ]


def _history(chance):
    def wave(base, noise, phase=0.0):
        """An hour with a busy and a quiet half."""
        shape = (1 + 0.5 * math.sin(step / 50 + phase) for step in range(HISTORY_STEPS))
        return [max(0, int(base * (each + noise * chance.gauss(0, 1)))) for each in shape]

    def series(share, phase):
        return {
            "bytes_from_device": wave(share * 4e6, 0.12, phase),
            "bytes_from_target": wave(share * 9e6, 0.15, phase),
            "opens": wave(share * 60, 0.2, phase),
            "refusals": {
                "TP1005": wave(share * 4, 0.5, phase),
                "TP1004": wave(share * 2, 0.6, phase),
                "TP2005": [int(chance.random() < 0.1) for _ in range(HISTORY_STEPS)],
            },
        }

    return {
        "step_s": STEP_S,
        "from_at": time.time() - HISTORY_STEPS * STEP_S,
        "all": series(1.0, 0.0),
        "accounts": {name: series(0.2, at) for at, name in enumerate(ACCOUNTS)},
    }


def _live(api, chance):
    while not api.closing.wait(1.0):
        moved = chance.sample(list(api.tunnels.values()), len(api.tunnels) // 3)
        api.push(
            "tunnels", {"opened": [], "changed": [_moved(t, chance) for t in moved], "closed": []}
        )
        for _ in range(chance.randrange(3)):
            api.push("refusals", _refusal(chance))


def _moved(row, chance):
    row["bytes_from_target_per_s"] *= chance.uniform(0.8, 1.25)
    for way in ("bytes_from_device", "bytes_from_target"):
        row[way] += int(row[f"{way}_per_s"])
    rates = (row["bytes_from_device_per_s"], row["bytes_from_target_per_s"])
    return [
        row["id"],
        row["bytes_from_device"],
        row["bytes_from_target"],
        *rates,
        row["open_substreams"],
    ]


def _refusal(chance):
    error, text = chance.choice(REFUSALS)
    is_known = error != "TP2005"
    return {
        "at": time.time(),
        "error": error,
        "code": "",
        "text": text,
        "account": chance.choice(ACCOUNTS) if is_known else None,
        "device": chance.choice(THINGS) if is_known else None,
        "address": f"192.0.2.{chance.randrange(9)}",
        "count": chance.choice([1, 1, 4]),
    }
