"""What the browser is forbidden, and what a page of somebody else can do."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.page.stand_in_api import tunnel

FORGERIES = """<!doctype html><body><script>
const api = "%s";
const results = [];
const body = '{"account":"anna","reason":"x"}';
async function forge(path, options) {
  try { results.push((await fetch(api + path, { credentials: "include", ...options })).type); }
  catch (error) { results.push("blocked"); }
}
(async () => {
  await forge("api/v1/tunnels/3fa95c1e-1?reason=x", { method: "DELETE" });
  await forge("api/v1/end", { method: "POST", body });
  await forge("api/v1/end", { method: "POST", mode: "no-cors", body });
  const headers = { "Content-Type": "text/plain" };
  await forge("api/v1/refused", { method: "POST", mode: "no-cors", body, headers });
  await forge("api/v1/session", { method: "DELETE" });
  const form = document.createElement("form");
  form.method = "post"; form.enctype = "text/plain"; form.target = "sink";
  form.action = api + "api/v1/refused";
  form.innerHTML = '<input name=\\'{"account":"anna","reason":"\\' value=\\'x"}\\'>';
  document.body.append(form); form.submit();
  setTimeout(() => document.title = results.join(), 1000);
})();
</script><iframe name="sink"></iframe>"""


@pytest.fixture
def elsewhere(api):
    """The address of a page on another port, whose scripts forge requests.

    Cookies do not know ports: of 127.0.0.1 the browser sends the session's cookie along, although
    it is SameSite=Strict. So what guards the commands is tested, and not the cookie alone.
    """

    class Forger(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((FORGERIES % api.url).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forger)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_requests_forged_by_another_page_do_nothing(tab, api, elsewhere):
    api.have(tunnel(1, account="anna"))
    tab.log_in()
    other = tab.page.context.new_page()
    other.goto(elsewhere)
    other.wait_for_function("() => document.title !== ''")
    assert api.commands == []
    assert len(api.sessions) == 1
    assert any(path.startswith("/api/v1/refused") for _, path in api.requests)  # it was tried


def test_the_page_cannot_be_framed(tab, api):
    tab.open()
    refused = tab.page.context.new_page()
    refused.goto("about:blank")
    refused.set_content(f"<iframe src={api.url}></iframe>")
    refused.wait_for_timeout(500)
    assert not any("Operator" in frame.content() for frame in refused.frames[1:])


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
    tab.page.wait_for_timeout(200)  # the browser reports all three to the console
    assert len(tab.errors) == 3
    tab.errors.clear()
