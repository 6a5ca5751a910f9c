/** Begins: a log-in form, or the page of a running session. */

import { ApiError, checkSession, logIn, logOut, mayHaveSession, onSessionEnd, resume } from "./api.js";
import { App } from "./app.js";
import { byId, setText } from "./dom.js";

let app = null;

function showLogin(message = "") {
  app?.stop();
  app = null;
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  byId("app").hidden = true;
  byId("login").hidden = false;
  setText(byId("login-error"), message);
  byId("token").focus();
}

function showApp() {
  byId("login").hidden = true;
  byId("app").hidden = false;
  app = new App();
  app.start();
}

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [form, button] = [event.target, event.target.querySelector("button")];
  button.disabled = true;
  setText(byId("login-error"), "");
  try {
    await logIn(byId("token").value.trim());
    form.reset();
    showApp();
  } catch (error) {
    setText(byId("login-error"), whyNoLogin(error));
    byId("token").select();
  } finally {
    button.disabled = false;
  }
});

function whyNoLogin(error) {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 403) return "This is not the operator's token.";
  if (error.status === 429) return `Too many wrong tokens. Wait ${error.retryAfterS ?? 60} s, then try again.`;
  return error.message;
}

byId("log-out").addEventListener("click", async () => {
  try {
    await logOut();
    showLogin();
  } catch (error) {
    showLogin(`The proxy did not confirm that you are logged out. ${error.message}`);
  }
});

onSessionEnd(() => showLogin("Your session has ended. Log in again."));

// Another tab may have logged out.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && app !== null) checkSession().catch(() => {}); // the stream reports it
});

async function begin() {
  if (!mayHaveSession()) return showLogin();
  try {
    await resume() ? showApp() : showLogin("Your session has ended. Log in again.");
  } catch (error) {
    showLogin(error.message);
  }
}

begin();
