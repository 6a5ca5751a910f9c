"""A page of somebody else, which tries to use the session of an operator."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FORGERIES = """<!doctype html><body><script>
const api = "%(url)s";
const results = [];
const body = '{"account":"%(account)s","reason":"x"}';
async function forge(path, options) {
  try { results.push((await fetch(api + path, { credentials: "include", ...options })).type); }
  catch (error) { results.push("blocked"); }
}
(async () => {
  await forge("api/v1/tunnels/%(tunnel)s?reason=x", { method: "DELETE" });
  await forge("api/v1/end", { method: "POST", body });
  await forge("api/v1/end", { method: "POST", mode: "no-cors", body });
  const headers = { "Content-Type": "text/plain" };
  await forge("api/v1/refused", { method: "POST", mode: "no-cors", body, headers });
  await forge("api/v1/session", { method: "DELETE" });
  const form = document.createElement("form");
  form.method = "post"; form.enctype = "text/plain"; form.target = "sink";
  form.action = api + "api/v1/refused";
  form.innerHTML = '<input name=\\'{"account":"%(account)s","reason":"\\' value=\\'x"}\\'>';
  document.body.append(form); form.submit();
  setTimeout(() => document.title = results.join(), 1000);
})();
</script><iframe name="sink"></iframe>"""


@contextmanager
def forging_page(url, tunnel, account):
    """Serve the page on another port; yield its address.

    Cookies do not know ports: of 127.0.0.1 the browser sends the session's cookie along, although
    it is SameSite=Strict. So what guards the commands is tested, and not the cookie alone.
    """
    with serving(FORGERIES % {"url": url, "tunnel": tunnel, "account": account}) as address:
        yield address


@contextmanager
def serving(document):
    """Serve a page of somebody else; yield its address."""

    class Page(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(document.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def visit(tab, address):
    """Open the page in the operator's browser, and wait until all was tried."""
    other = tab.page.context.new_page()
    other.goto(address)
    other.wait_for_function("() => document.title !== ''")
    other.close()
