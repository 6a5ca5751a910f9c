"""5,000 tunnels in one list."""

import pytest

from support.page.stand_in_api import tunnel

COUNT = 5_000
MAX_ELEMENTS = 200
MAX_MS_PER_FRAME = 16.0  # of the page's own work; 60 frames a second leave as much for all
MAX_MS_PER_SECOND = 250.0

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


@pytest.fixture
def work_ms(tab):
    """A function that returns the milliseconds for which the tab's main thread has worked.

    They are of the processor: a busy machine does not add to them.
    """
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(each["value"] for each in metrics if each["name"] == "TaskDuration")

    return worked


@pytest.mark.usefixtures("rows")
def test_only_the_rows_in_view_are_elements_and_scrolling_is_smooth(tab, work_ms):
    tab.log_in()
    tab.shown("5,000 tunnels")
    before = work_ms()
    frames, most = tab.page.evaluate(SCROLL)
    each = (work_ms() - before) / frames
    assert most < MAX_ELEMENTS
    assert each < MAX_MS_PER_FRAME


@pytest.mark.usefixtures("rows")
def test_the_last_row_can_be_reached(tab):
    tab.log_in()
    tab.shown("5,000 tunnels")
    tab.page.focus(".grid")
    tab.press("End")
    tab.shown("device-4999")


def test_a_second_in_which_all_rows_change_costs_a_small_part_of_it(tab, api, rows, work_ms):
    tab.log_in()
    tab.shown("5,000 tunnels")
    before = work_ms()
    for turn in range(1, 6):
        changed = [[each["id"], turn, turn, 0.0, turn * 2.0**20, turn] for each in rows]
        api.push("tunnels", {"opened": [], "changed": changed, "closed": []})
        tab.row(f"{turn}.00 MiB/s").wait_for()
    assert (work_ms() - before) / 5 < MAX_MS_PER_SECOND


@pytest.mark.usefixtures("rows")
def test_a_filter_finds_one_of_them(tab):
    tab.log_in()
    tab.shown("5,000 tunnels")
    tab.page.fill("input[type=search]", "device-4321")
    tab.shown("1 of 5,000")
    tab.has_rows(1)
    assert tab.devices == ["device-4321"]
