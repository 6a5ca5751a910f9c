"""What a device chooses (its name, its targets) does nothing but be read."""

import pytest

from support.page.stand_in_api import account, proxy, substream, tunnel

IMAGE = "<img src=x onerror=alert(1)>"
NAMES = {
    IMAGE: IMAGE,
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    "\"'><svg/onload=alert(1)>": "\"'><svg/onload=alert(1)>",
    "javascript:alert(1)": "javascript:alert(1)",
    "\u202egnp.exe": "⟨U+202E⟩gnp.exe",
    "nul\0byte": "nul⟨U+0000⟩byte",
    "line\nbreak\u2028s": "line⟨U+000A⟩break⟨U+2028⟩s",
    "\u200b\u2066zero": "⟨U+200B⟩⟨U+2066⟩zero",
    "👩‍🚀 \U0001f525": "👩⟨U+200D⟩🚀 🔥",
    "x" * 64: "x" * 64,
    "مطبخ": "مطبخ",
    "__proto__": "__proto__",
    "constructor": "constructor",
}

TARGET = "document.querySelector('.substreams .target bdi')"


@pytest.fixture
def alarmed(tab):
    """A list that gets an entry if a script of a name runs."""
    alarms = []
    tab.page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    return alarms


def test_names_of_devices_are_text_with_their_invisible_characters_named(tab, api, alarmed):
    api.have(*(tunnel(at, device=name) for at, name in enumerate(NAMES)))
    tab.log_in()
    tab.has_rows(len(NAMES))
    assert sorted(tab.devices) == sorted(NAMES.values())
    assert tab.page.locator("#content :is(img, script, svg)").count() == 0
    assert alarmed == []


def test_a_name_does_nothing_in_details_substreams_and_dialogs(tab, api, alarmed):
    api.have(*(tunnel(at, device=name, account=name) for at, name in enumerate(NAMES)))
    for at, name in enumerate(NAMES):
        api.substreams[tunnel(at)["id"]] = [substream(1, target=name, kind="net")]
    tab.log_in()
    for at, name in enumerate(NAMES):
        tab.open(f"tunnels/{tunnel(at)['id']}")
        tab.until(f"(name) => {TARGET}?.textContent === name", NAMES[name])
        assert tab.page.inner_text(".panel h2").strip() == NAMES[name].strip()
        tab.page.get_by_role("button", name="Refuse…").click()
        assert NAMES[name] in tab.page.locator("dialog .choice").first.text_content()
        tab.page.fill("dialog input[name=reason]", name.replace("\n", " "))
        tab.page.click("dialog button.danger")
        tab.page.locator("dialog").wait_for(state="detached")
        assert api.commands[at][2]["device"] == name  # as the device sent it, not as it is shown
    assert alarmed == []


def test_names_do_nothing_on_the_other_views(tab, api, alarmed):
    api.accounts = [account(name, refused={IMAGE: 1}) for name in NAMES]
    api.history["accounts"] = dict.fromkeys(NAMES, api.history["all"])
    api.history["all"]["refusals"][IMAGE] = [1]
    api.proxies = [proxy(IMAGE, obstacles=[IMAGE], version=IMAGE)]
    api.refused = [
        {
            "id": IMAGE,
            "account": IMAGE,
            "device": IMAGE,
            "address": None,
            "until_at": None,
            "reason": IMAGE,
            "by": IMAGE,
            "since_at": 0,
        }
    ]
    refusal = {"at": 0, "error": IMAGE, "code": IMAGE, "account": IMAGE, "device": IMAGE}
    tab.log_in("overview")
    api.push("refusals", {**refusal, "address": IMAGE, "count": 1, "text": IMAGE})
    tab.page.locator(".latest tbody tr").wait_for()
    for view in ("accounts", "refused", "proxies", "overview"):
        tab.open(view)
        tab.until("(text) => document.getElementById('content').innerText.includes(text)", IMAGE)
        assert tab.page.locator("#content img").count() == 0
    assert alarmed == []
