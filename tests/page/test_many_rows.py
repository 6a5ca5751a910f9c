"""5,000 tunnels in one list."""

import time

import pytest

from support.page.stand_in_api import tunnel

COUNT = 5_000
MAX_ELEMENTS = 200
MAX_MS_PER_FRAME = 16.0  # of the page's own work; 60 frames a second leave as much for all

SCROLL = """() => new Promise((done) => {
    const scroller = document.querySelector(".grid");
    let frames = 0;
    let most = 0;
    const step = () => {
        scroller.scrollTop += 1700;
        most = Math.max(most, document.querySelectorAll(".grid-space .grid-row").length);
        frames += 1;
        frames < 90 ? requestAnimationFrame(step) : done([frames, most]);
    };
    step();
})"""


@pytest.fixture
def rows(api):
    made = [tunnel(number) for number in range(COUNT)]
    api.have(*made)
    return made


def work_ms(session):
    """Return the milliseconds that the tab's main thread has worked."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(each["value"] for each in metrics if each["name"] == "TaskDuration")


@pytest.mark.usefixtures("rows")
def test_only_the_rows_in_view_are_elements_and_scrolling_is_smooth(tab):
    tab.log_in()
    tab.shown("5,000 tunnels")
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Performance.enable")
    before = work_ms(session)
    frames, most = tab.page.evaluate(SCROLL)
    each = (work_ms(session) - before) / frames
    assert most < MAX_ELEMENTS
    assert each < MAX_MS_PER_FRAME


@pytest.mark.usefixtures("rows")
def test_the_last_row_can_be_reached(tab):
    tab.log_in()
    tab.shown("5,000 tunnels")
    tab.page.focus(".grid")
    tab.press("End")
    tab.shown("device-4999")


def test_a_second_in_which_all_rows_change_costs_a_small_part_of_it(tab, api, rows):
    tab.log_in()
    tab.shown("5,000 tunnels")
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Performance.enable")
    before = work_ms(session)
    for turn in range(5):
        changed = [[each["id"], turn, turn, turn * 100.0, turn * 1e4, turn] for each in rows]
        api.push("tunnels", {"opened": [], "changed": changed, "closed": []})
        time.sleep(1.0)
    assert (work_ms(session) - before) / 5 < 250.0


@pytest.mark.usefixtures("rows")
def test_a_filter_finds_one_of_them(tab):
    tab.log_in()
    tab.shown("5,000 tunnels")
    tab.page.fill("input[type=search]", "device-4321")
    tab.shown("1 of 5,000")
    tab.has_rows(1)
    assert tab.devices == ["device-4321"]
