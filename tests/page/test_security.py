"""What the browser is forbidden, and what a page of somebody else can do."""

from lab.waiting import eventually
from support.page.forger import forging_page, serving, visit
from support.page.stand_in_api import tunnel


def test_requests_forged_by_another_page_do_nothing(tab, api):
    api.have(tunnel(1, account="anna"))
    tab.log_in()
    with forging_page(api.url, "3fa95c1e-1", "anna") as address:
        visit(tab, address)
    assert api.commands == []
    assert len(api.sessions) == 1
    assert any(path.startswith("/api/v1/refused") for _, path in api.requests)  # it was tried


def test_the_page_cannot_be_framed(tab, api):
    tab.open()
    other = tab.page.context.new_page()
    with (
        serving(f"<iframe src={api.url}></iframe>") as address,
        other.expect_event("requestfailed") as failed,
    ):
        other.goto(address)
    assert failed.value.url == api.url
    assert failed.value.failure == "net::ERR_BLOCKED_BY_RESPONSE"
    assert not any("Operator" in frame.content() for frame in other.frames[1:])


def test_inline_scripts_styles_and_markup_from_text_are_forbidden(tab):
    tab.open()
    refused = tab.page.evaluate(
        """() => {
            const tried = (call) => {
                try { call(); return "allowed"; } catch (error) { return error.name; }
            };
            const script = document.createElement("script");
            const styled = document.createElement("p");
            document.body.append(styled);
            styled.setAttribute("style", "position: fixed");
            return [
                tried(() => { document.body.innerHTML = "<b>x</b>"; }),
                tried(() => { script.textContent = "alert(1)"; }),
                getComputedStyle(styled).position,
            ];
        }"""
    )
    assert refused == ["TypeError", "TypeError", "static"]
    # the browser reports all three to the console; a question to it takes in what it says
    eventually(lambda: tab.page.evaluate("true") and len(tab.errors) == 3, 10, lambda: tab.errors)
    tab.errors.clear()
