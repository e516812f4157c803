// The landing page of SSO links. The secret stands in the fragment: it leaves the address bar and the history first, then it is posted.
// A page that is reloaded, or comes back from the browser's memory (Back), has no secret any more, and says so.
(function () {
  "use strict";

  function show(name, shown) {
    Array.prototype.forEach.call(document.querySelectorAll("[data-link-" + name + "]"), function (part) { part.hidden = !shown; });
  }

  function over() {
    var title = document.querySelector("main").dataset.overTitle;
    document.title = title;
    document.querySelector("h1").textContent = title;
    show("going", false);
    show("over", true);
  }

  window.addEventListener("pageshow", function (event) {
    if (event.persisted) over();
  });

  var secret = window.location.hash.slice(1);
  if (!secret) {
    over();
    return;
  }
  window.history.replaceState(null, "", window.location.pathname);
  show("going", true);

  var form = document.createElement("form");
  form.method = "post";
  form.action = window.location.pathname;

  function add(name, value) {
    var field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    form.appendChild(field);
  }

  add("Link", secret);
  add("Sender", document.querySelector("main").dataset.sender || ""); // what the hub saw of the page that led here
  document.body.appendChild(form);
  form.submit();
  form.remove();
})();
