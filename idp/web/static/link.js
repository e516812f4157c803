// The landing page of SSO links. The secret stands in the fragment: it leaves the address bar and the history first, then it is posted.
// A page that comes back from the browser's memory (Back) or is reloaded has no secret any more, and says so.
(function () {
  "use strict";

  var form = document.querySelector("form[data-link]");
  var secret = window.location.hash.slice(1);

  function over() {
    document.querySelector("[data-link-going]").hidden = true;
    document.querySelector("[data-link-over]").hidden = false;
  }

  window.addEventListener("pageshow", function (event) {
    if (event.persisted) over();
  });

  if (!secret) {
    over();
    return;
  }
  window.history.replaceState(null, "", window.location.pathname);
  form.elements.Link.value = secret;
  form.submit();
  form.reset();
})();
