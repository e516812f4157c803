// The landing page of SSO links. The secret stands in the fragment: it leaves the address bar and the history first, then it is posted.
// A page that is reloaded, or comes back from the browser's memory (Back), has no secret any more, and says so.
(function () {
  "use strict";

  function over() {
    document.querySelector("[data-link-going]").hidden = true;
    document.querySelector("[data-link-over]").hidden = false;
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

  var form = document.createElement("form");
  var field = document.createElement("input");
  form.method = "post";
  form.action = window.location.pathname;
  field.type = "hidden";
  field.name = "Link";
  field.value = secret;
  form.appendChild(field);
  document.body.appendChild(form);
  form.submit();
  form.remove();
})();
