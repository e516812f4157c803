// The page behind a link in a mail. The secret is in the fragment: it leaves the address bar and the history first, then it is posted,
// and the question that comes back takes the place of the page's own words. Nothing is spent before the payer answers.
// A page that is reloaded, or comes back from the browser's memory (Back), has no secret any more: it says to open the link again.
(function () {
  "use strict";

  var main = document.querySelector("main");
  var titles = { over: main.dataset.overTitle, failed: main.dataset.failedTitle };
  var landing = main.cloneNode(true);

  function say(name) {
    if (!document.contains(landing)) document.querySelector("main").replaceWith(landing);
    if (titles[name]) {
      document.title = titles[name];
      landing.querySelector("h1").textContent = titles[name];
    }
    Array.prototype.forEach.call(landing.querySelectorAll("[data-link]"), function (part) { part.hidden = part.dataset.link !== name; });
  }

  // A double click must not send the answer twice: the browser would show what became of the second.
  function answerOnce(form) {
    var sent = false;
    form.addEventListener("submit", function (event) {
      if (sent) event.preventDefault();
      sent = true;
    });
  }

  function show(text) {
    var page = new DOMParser().parseFromString(text, "text/html");
    var question = page.querySelector("main");
    if (!question) return say("failed");
    document.title = page.title;
    document.documentElement.lang = page.documentElement.lang;
    question = document.importNode(question, true);
    document.querySelector("main").replaceWith(question);
    Array.prototype.forEach.call(question.querySelectorAll("form"), answerOnce);
    question.tabIndex = -1;
    question.focus();
  }

  window.addEventListener("pageshow", function (event) {
    if (event.persisted) say("over");
  });

  var secret = window.location.hash.slice(1);
  if (!secret) return say("over");
  window.history.replaceState(null, "", window.location.pathname);
  say("going");
  fetch(window.location.pathname, { method: "POST", body: new URLSearchParams({ code: secret }), redirect: "error" })
    .then(function (answer) { return answer.text(); })
    .then(show)
    .catch(function () { say("failed"); });
})();
