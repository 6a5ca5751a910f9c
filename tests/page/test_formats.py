"""Numbers, times and text as the page writes them."""

import pytest

from support.page.stand_in_api import StandInApi


@pytest.fixture(scope="module")
def page(browser):
    api = StandInApi()
    page = browser.new_page()
    page.goto(api.url)
    yield page
    page.close()
    api.close()


@pytest.fixture
def call(page):
    """A function that calls a function of one of the page's scripts."""
    return lambda name, *args: page.evaluate(
        "async ([name, args]) => (await import('/page/js/format.js'))[name](...args)",
        [name, list(args)],
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (1024, "1.00 KiB"),
        (10_240, "10.0 KiB"),
        (1_048_575, "1.00 MiB"),
        (123 * 2**30, "123 GiB"),
        (2**63, "8192 PiB"),
    ],
)
def test_bytes_have_a_binary_unit_and_three_digits(call, count, text):
    assert call("bytes", count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (7_260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_have_their_two_largest_units(call, seconds, text):
    assert call("duration", seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.04, "0.0"), (1, "1"), (2.55, "2.5"), (12.5, "13"), (4321, "4,321")],
)
def test_rates_have_a_digit_where_it_counts(call, value, text):
    assert call("perSecond", value) == text


def test_text_beyond_a_length_is_cut_between_characters(call):
    assert call("shortened", "👍👍👍👍", 3) == "👍👍…"


@pytest.mark.parametrize(
    ("chunks", "events"),
    [
        (["event: a\ndata: 1\n\n"], [["a", "1"]]),
        (["ev", "ent: a\nda", "ta: 1\n", "\n"], [["a", "1"]]),
        (["event: a\r\ndata: 1\r", "\n\r\n"], [["a", "1"]]),
        ([": keep-alive\n\n"], []),
        (["data: 1\ndata: 2\n\ndata:3\n\n"], [["message", "1\n2"], ["message", "3"]]),
        (["event: without data\n\nid: 7\nevent: b\ndata: x\n\n"], [["b", "x"]]),
    ],
)
def test_events_are_taken_apart_however_they_arrive(page, chunks, events):
    taken = page.evaluate(
        """async (chunks) => { const { EventParser } = await import("/page/js/sse.js");
            const parser = new EventParser();
            const events = chunks.flatMap((chunk) => parser.take(chunk));
            return events.map((event) => event.slice(0, 2)); }""",
        chunks,
    )
    assert taken == events
