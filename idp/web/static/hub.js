// The portal's only script. Every page works without it; it adds the theme switch, talks to the page that frames us,
// leads on after sign-out, and opens bills for print. Messages: {hub: 1, type, ...}, to exact origins, no personal data.
(function () {
  "use strict";

  var root = document.documentElement;
  var body = document.body;
  var framed = window.parent !== window;

  function all(selector, act) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), act);
  }

  // --- messages to the parent ---------------------------------------------------------------------------------------

  // Only the parent that really frames us, where the browser tells; a post to the others would only fill its console.
  function parentOrigins() {
    var allowed = (body.dataset.parents || "").split(" ").filter(Boolean);
    var above = window.location.ancestorOrigins;
    if (!above || !above.length) return allowed;
    return allowed.filter(function (origin) { return origin === above[0]; });
  }

  var origins = framed ? parentOrigins() : [];

  function tell(type, facts) {
    var message = { hub: 1, type: type };
    Object.keys(facts || {}).forEach(function (name) { message[name] = facts[name]; });
    origins.forEach(function (origin) { window.parent.postMessage(message, origin); });
  }

  function tellHeight() {
    var last = 0;
    function measure() {
      var height = Math.ceil(root.getBoundingClientRect().height);
      if (height !== last) {
        last = height;
        tell("resize", { height: height });
      }
    }
    measure();
    if (window.ResizeObserver) new ResizeObserver(measure).observe(root);
    else window.addEventListener("resize", measure);
  }

  function tellExpiry() {
    var left = Number(body.dataset.expiresIn);
    if (!left) return;
    var warning = Math.min(60, left);
    window.setTimeout(function () { tell("sessionExpiring", { seconds: warning }); }, (left - warning) * 1000);
  }

  if (origins.length) {
    tell("ready");
    if (body.dataset.redirectId) tell("navigated", { redirectId: Number(body.dataset.redirectId) });
    if (body.dataset.tell) tell(body.dataset.tell);
    tellHeight();
    tellExpiry();
    all("[data-relaunch]", offerRelaunch);
  }

  // "Continue" asks the parent for a new hand-off, once: when that did not help a moment ago, the page only explains itself.
  function offerRelaunch(button) {
    var justAsked = Date.now() - Number(recalled("hub-relaunch")) < 60000;
    if (justAsked) {
      all("[data-again]", function (part) { part.hidden = false; });
      return;
    }
    button.hidden = false;
    button.addEventListener("click", function () {
      recall("hub-relaunch", String(Date.now()));
      tell("relaunchNeeded");
    });
  }

  function recalled(name) {
    try { return sessionStorage.getItem(name) || "0"; } catch (refused) { return "0"; }
  }

  function recall(name, value) {
    try { sessionStorage.setItem(name, value); } catch (refused) { /* then each page asks once */ }
  }

  // --- frames without cookies: the token in the forms of a page that stays open is renewed before its time is over -------

  function renewFrameToken(url) {
    var fields = document.querySelectorAll('input[name="frame_token"]');
    if (!fields.length) return;
    fetch(url, { method: "POST", headers: { "X-Hub-Frame-Token": fields[0].value }, cache: "no-store" })
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .then(function (next) {
        if (!next) return;
        all('input[name="frame_token"]', function (field) { field.value = next.frame_token; });
        window.setTimeout(function () { renewFrameToken(url); }, next.seconds * 800);
      })
      .catch(function () { window.setTimeout(function () { renewFrameToken(url); }, 5000); });
  }

  if (body.dataset.frameTokenUrl) {
    window.setTimeout(function () { renewFrameToken(body.dataset.frameTokenUrl); }, 240000);
  }

  // --- pages that only pass on: out of an address that holds a token, first of all ---------------------------------------

  all("form[data-post-on]", function (form) {
    window.history.replaceState(null, "", form.action);
    form.submit();
  });

  // --- after sign-out -----------------------------------------------------------------------------------------------

  all("[data-next-url]", function (part) {
    var next = new URL(part.dataset.nextUrl, window.location.href);
    if (next.protocol === "https:" || next.protocol === "http:") window.location.replace(next.href);
  });

  // --- theme, on full pages only: in a frame our storage is the partner's visitor's, not ours to fill -----------------

  function remembered() {
    try { return localStorage.getItem("hub-theme") || "auto"; } catch (refused) { return "auto"; }
  }

  function remember(choice) {
    try {
      if (choice === "auto") localStorage.removeItem("hub-theme");
      else localStorage.setItem("hub-theme", choice);
    } catch (refused) {
      /* then the choice holds for this page */
    }
  }

  function show(choice) {
    root.dataset.theme = choice;
    all("[data-theme-choice]", function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    });
  }

  if (root.dataset.mode === "full") {
    all("[data-theme-switch]", function (group) { group.hidden = false; });
    all("[data-theme-choice]", function (button) {
      button.addEventListener("click", function () {
        remember(button.dataset.themeChoice);
        show(button.dataset.themeChoice);
      });
    });
    if (document.querySelector("[data-theme-choice]")) show(remembered());
  }

  // --- small comforts -----------------------------------------------------------------------------------------------

  all("[data-reload]", function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.location.reload(); });
  });

  // On paper nobody can open a bill.
  var opened = [];
  window.addEventListener("beforeprint", function () {
    all("details[data-print-open]:not([open])", function (part) {
      part.open = true;
      opened.push(part);
    });
  });
  window.addEventListener("afterprint", function () {
    opened.splice(0).forEach(function (part) { part.open = false; });
  });
})();
