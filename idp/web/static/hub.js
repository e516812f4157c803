// The portal's only script. Every page works without it; it adds the theme switch, talks to the page that frames us,
// turns pages in a frame without cookies, leads on after sign-out, and opens bills for print.
// Messages: {hub: 1, type, ...}, to exact origins, no personal data.
(function () {
  "use strict";

  var root = document.documentElement;
  var body = document.body;
  var framed = window.parent !== window;
  var timers = [];

  function all(selector, act) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), act);
  }

  // --- messages to the parent ---------------------------------------------------------------------------------------

  // Only the parent that really frames us, where the browser tells; a post to the others would only fill its console.
  // A page that is asked for with nothing in hand (a frame without cookies that is reloaded) does not know the origins. The page that
  // stood at this entry of the history left them there, where only pages of ours can write.
  function parentOrigins() {
    var left = (window.history.state || {}).hubParents;
    var allowed = (body.dataset.parents || (typeof left === "string" ? left : "")).split(" ").filter(Boolean);
    var above = window.location.ancestorOrigins;
    if (!above || !above.length) return allowed;
    return allowed.filter(function (origin) { return origin === above[0]; });
  }

  var origins = [];

  function tell(type, facts) {
    var message = { hub: 1, type: type };
    Object.keys(facts || {}).forEach(function (name) { message[name] = facts[name]; });
    origins.forEach(function (origin) { window.parent.postMessage(message, origin); });
  }

  var told = 0;

  function tellHeight() {
    var height = Math.ceil(root.getBoundingClientRect().height);
    if (height === told) return;
    told = height;
    tell("resize", { height: height });
  }

  if (framed) {
    if (window.ResizeObserver) new ResizeObserver(tellHeight).observe(root);
    else window.addEventListener("resize", tellHeight);
  }

  function later(act, milliseconds) {
    timers.push(window.setTimeout(act, milliseconds));
  }

  function tellExpiry() {
    var left = Number(body.dataset.expiresIn);
    if (!left) return;
    var warning = Math.min(60, left);
    later(function () { tell("sessionExpiring", { seconds: warning }); }, (left - warning) * 1000);
  }

  function tellParents() {
    origins = framed ? parentOrigins() : [];
    if (!origins.length) return;
    told = 0;
    tell("ready");
    if (body.dataset.redirectId) tell("navigated", { redirectId: Number(body.dataset.redirectId) });
    var reference = body.dataset.sessionReference;
    if (body.dataset.tell) tell(body.dataset.tell, reference ? { sessionReference: reference } : {});
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
      later(offerParentSite, 3000);
    });
  }

  // Nobody on the partner's page has acted: the payer goes to the partner's site.
  function offerParentSite() {
    all("[data-again]", function (part) { part.hidden = false; });
    all("[data-parent-site]", function (link) {
      var site = new URL(origins[0]);
      if (site.protocol !== "https:" && site.protocol !== "http:") return;
      link.href = site.href;
      link.hidden = false;
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
    var sent = fields[0].value;
    fetch(url, { method: "POST", headers: { "X-Hub-Frame-Token": sent }, cache: "no-store" })
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .then(function (next) {
        if (!next) return;
        // A page that was turned meanwhile has a successor of its own: of two, only one may ever be used.
        all('input[name="frame_token"]', function (field) { if (field.value === sent) field.value = next.frame_token; });
        later(function () { renewFrameToken(url); }, next.seconds * 800);
      })
      .catch(function () { later(function () { renewFrameToken(url); }, 5000); });
  }

  function keepFrameToken() {
    if (body.dataset.frameTokenUrl) later(function () { renewFrameToken(body.dataset.frameTokenUrl); }, 240000);
  }

  // --- frames without cookies: pages are turned in place -----------------------------------------------------------------
  //
  // A button that posts would leave an entry in the history that nobody can go back to: browsers keep no page that was posted for,
  // and show an error of their own. So the script posts, puts the next page in place of this one, and answers Back the same way,
  // with the token of the page that is shown. A page that came by cookie has links, and those need nothing of this.

  var turning = false;
  var turns = 0;
  var cookieless = false;
  var held = null;

  // Whoever goes Back while a page is on its way wants another one: only the answer to the last question is shown, and only its frame
  // token is used.
  function turn(url, fields, keep, fail) {
    var mine = ++turns;
    turning = true;
    fetch(url, { method: "POST", body: fields, cache: "no-store" }).then(function (answer) {
      if (answer.status >= 500) throw new TypeError("try it without script: what was posted can be posted again");
      if ((answer.headers.get("Content-Type") || "").indexOf("text/html") !== 0) throw new TypeError("no page");
      return answer.text();
    }).then(function (text) {
      if (mine !== turns) return;
      var next = new DOMParser().parseFromString(text, "text/html");
      keep();
      put(next);
      turning = false;
      cookieless = Boolean(carrying()) || (cookieless && !body.dataset.url);
      start();
    }).catch(function () { if (mine === turns) fail(); });
  }

  function put(next) {
    var old = document.querySelectorAll("link[rel=stylesheet]");
    var wanted = next.querySelectorAll("link[rel=stylesheet]");
    Array.prototype.forEach.call(wanted, function (sheet, index) {
      if (!old[index]) document.head.appendChild(document.importNode(sheet));
      else if (old[index].href !== sheet.href) old[index].href = sheet.href;
    });
    Array.prototype.slice.call(old, wanted.length).forEach(function (sheet) { sheet.remove(); });
    Array.prototype.forEach.call(next.documentElement.attributes, function (each) { root.setAttribute(each.name, each.value); });
    document.title = next.title;
    document.body.replaceWith(next.body);
    body = document.body;
    window.scrollTo(0, 0);
    var main = document.querySelector("main[tabindex]");
    if (main) main.focus({ preventScroll: true });
  }

  function fieldsOf(form, button) {
    var fields = new URLSearchParams(new FormData(form));
    if (button && button.name) fields.append(button.name, button.value);
    return fields;
  }

  // What an entry of the history says of the page: who may hear it.
  function entry() {
    return { hubParents: body.dataset.parents || (window.history.state || {}).hubParents || "" };
  }

  // A page that was posted for gets an entry that a GET leads back to, and the page of a hand-off its own address.
  function nameThisPage() {
    var own = body.dataset.url;
    if (own) window.history.replaceState(entry(), "", window.location.pathname === own ? window.location.href : own);
  }

  function turnTo(form, button) {
    turn(form.action, fieldsOf(form, button), function () {
      nameThisPage();
      if (!form.matches(".go, [data-post-on]")) return; // what it posts to is no page
      if (form.matches(".go") && form.action !== window.location.href) window.history.pushState(entry(), "", form.action);
      else window.history.replaceState(entry(), "", form.action);
    }, function () { form.submit(); });
  }

  function carrying() {
    var field = document.querySelector('form input[name="frame_token"]');
    return field && field.form;
  }

  // What the next page is asked for with; a page that has no buttons (one that says no) leaves it as it was.
  function hold() {
    var form = carrying();
    if (!form) return;
    held = new URLSearchParams();
    ["csrf_token", "frame_token"].forEach(function (name) {
      var field = form.querySelector("input[name=" + name + "]");
      if (field) held.append(name, field.value);
    });
  }

  // A second click on the same button sends nothing: the first is on its way, and may already have changed the session.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.method !== "post" || form.target) return;
    if (Date.now() - Number(form.dataset.sentAt || 0) < 5000) event.preventDefault();
    else form.dataset.sentAt = String(Date.now());
  });

  if (framed) {
    document.addEventListener("submit", function (event) {
      if (event.defaultPrevented) return;
      var form = event.target;
      if (!body.dataset.url || form.target || form.method !== "post" || !form.querySelector('input[name="frame_token"]')) return;
      // Of a first page nobody knows yet what carries: with a cookie, a form that changes something is answered by a redirect.
      if (!cookieless && !form.matches(".go")) return;
      event.preventDefault();
      if (!turning) turnTo(form, event.submitter);
    });
    window.addEventListener("popstate", function () {
      hold();
      if (cookieless) turn(window.location.href, held, function () {}, function () { window.location.reload(); });
      else window.location.reload();
    });
  }

  // --- pages that only pass on: out of an address that holds a token, first of all ---------------------------------------

  function clearAddress() {
    if ("bare" in body.dataset && window.location.search) window.history.replaceState(null, "", window.location.pathname);
  }

  function passOn() {
    all("form[data-post-on]", function (form) {
      window.history.replaceState(null, "", form.action);
      if (framed && carrying()) turnTo(form);
      else form.submit();
    });
  }

  // --- after sign-out -----------------------------------------------------------------------------------------------

  function leadOn() {
    all("[data-next-url]", function (part) {
      var next = new URL(part.dataset.nextUrl, window.location.href);
      if (next.protocol === "https:" || next.protocol === "http:") window.location.replace(next.href);
    });
  }

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

  // --- a search among many accounts: the switcher shows what is found while the payer types ---------------------------------
  //
  // The form leads to Manage Accounts, which finds the same (finding.py); that is what happens without script, and on Enter while
  // more than one account is found.

  function fold(text) {
    return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  }

  function accountsFound(accounts, query) {
    var words = fold(query).split(/\s+/).filter(Boolean);
    return accounts.filter(function (account) {
      var folded = fold(account.words);
      var bare = folded.replace(/[^\p{L}\p{N}]/gu, "");
      return words.every(function (word) { return folded.indexOf(word) >= 0 || bare.indexOf(word) >= 0; });
    });
  }

  function part(name, className, text) {
    var element = document.createElement(name);
    element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // An entry like the first one, link or button, for another account.
  function entryOf(model, account) {
    var entry = model.cloneNode(true);
    var way = entry.querySelector(".account-choice");
    if (way.href) way.href = account.url;
    else way.form.action = account.url;
    var text = part("span", "account-text");
    var facts = part("span", "account-facts", account.number);
    if (account.address) facts.appendChild(part("span", "account-address", account.address));
    text.appendChild(part("span", "account-holder", account.holder));
    text.appendChild(facts);
    way.replaceChildren(text, part("span", "tag", account.role));
    return entry;
  }

  // On Manage Accounts every account has its row; those that are not found are hidden.
  function filterRows(form) {
    var field = form.querySelector("input[type=search]");
    var rows = Array.prototype.slice.call(document.querySelectorAll("[data-words]"));
    var told = document.querySelector("[data-found-here]");
    if (!field || !told || field.value) return; // what the server found is not all that there is
    function filter() {
      var found = accountsFound(rows.map(function (row) { return { row: row, words: row.dataset.words }; }), field.value);
      rows.forEach(function (row) { row.hidden = true; });
      found.forEach(function (each) { each.row.hidden = false; });
      told.textContent = field.value.trim() ? wordsFor(told, found.length) : "";
    }
    field.addEventListener("input", filter);
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      event.stopPropagation();
    });
  }

  function wordsFor(told, count) {
    return count === 0 ? told.dataset.none : count === 1 ? told.dataset.one : told.dataset.many.replace("{count}", count);
  }

  function findAccounts(list) {
    var form = list.parentNode.querySelector("form.find");
    var field = form && form.querySelector("input[type=search]");
    var told = list.parentNode.querySelector("[data-found]");
    if (!field || !told) return;
    var accounts = JSON.parse(list.dataset.accounts);
    var first = Array.prototype.slice.call(list.children);
    // What was out of the page meanwhile missed the renewal of the frame token.
    function put(entries) {
      list.replaceChildren.apply(list, entries);
      var token = form.querySelector('input[name="frame_token"]');
      if (!token) return;
      Array.prototype.forEach.call(list.querySelectorAll('input[name="frame_token"]'), function (each) { each.value = token.value; });
    }
    field.addEventListener("input", function () {
      if (!field.value.trim()) {
        put(first);
        told.textContent = "";
        return;
      }
      var found = accountsFound(accounts, field.value);
      put(found.map(function (account) { return entryOf(first[0], account); }));
      told.textContent = wordsFor(told, found.length);
    });
    form.addEventListener("submit", function (event) {
      var ways = list.querySelectorAll(".account-choice");
      if (!field.value.trim() || ways.length !== 1) return;
      event.preventDefault();
      event.stopPropagation();
      ways[0].click();
    });
  }

  // --- small comforts -----------------------------------------------------------------------------------------------

  function offerReload() {
    all("[data-reload]", function (button) {
      button.hidden = false;
      button.addEventListener("click", function () { window.location.reload(); });
    });
  }

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

  // Once for a page that the browser loaded, and again for each that was put in its place.
  function start() {
    timers.splice(0).forEach(window.clearTimeout);
    hold();
    tellParents();
    keepFrameToken();
    clearAddress();
    passOn();
    leadOn();
    offerReload();
    all("[data-accounts]", findAccounts);
    all("main > form.find", filterRows);
    if (framed && !carrying()) nameThisPage();
  }

  start();
})();
