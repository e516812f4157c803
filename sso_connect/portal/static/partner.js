// For partners' pages that frame the bill portal. Load it from the biller's host, once a page:
//
//     <script src="https://{biller's host}/b/{slug}/sso/partner.js" defer></script>
//     <iframe name="bills" title="Bills" style="width: 100%; min-height: 480px; border: 0" data-relaunch-url="/account/bills"></iframe>
//
// It hears only messages of the biller's origin, and only of a window that one of this page's iFrames shows. Each message becomes a
// DOM event on that iFrame, "hub:ready", "hub:resize" ..., with the message as its detail, for the page's own functions:
//
//     frame.addEventListener("hub:relaunchNeeded", function (event) { event.preventDefault(); handOffAgain(); });
//
// What it does itself, unless a function says preventDefault(): the iFrame gets the height that the page in it asks for, and on
// relaunchNeeded this page goes to the iFrame's data-relaunch-url.
//
// It also keeps a double click from posting a hand-off twice: a second submit of the same form to the biller's sso/connect within
// five seconds is not sent.
(function () {
  "use strict";

  var TALLEST = 20000;
  var hub = new URL(document.currentScript.src).origin;

  function frameOf(source) {
    return Array.prototype.filter.call(document.querySelectorAll("iframe"), function (frame) {
      return source && frame.contentWindow === source;
    })[0];
  }

  function act(frame, message) {
    if (message.type === "resize" && message.height > 0 && message.height <= TALLEST) {
      frame.style.height = Number(message.height) + "px";
    }
    if (message.type === "relaunchNeeded" && frame.dataset.relaunchUrl) {
      var next = new URL(frame.dataset.relaunchUrl, document.baseURI);
      if (next.protocol === "https:" || next.protocol === "http:") window.location.assign(next.href);
    }
  }

  var sent = new WeakMap();

  function isHandOff(form) {
    var to = new URL(form.getAttribute("action") || "", document.baseURI);
    return to.origin === hub && /\/sso\/connect$/.test(to.pathname);
  }

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (event.defaultPrevented || !isHandOff(form)) return;
    if (Date.now() - (sent.get(form) || 0) < 5000) event.preventDefault();
    else sent.set(form, Date.now());
  });

  window.addEventListener("message", function (event) {
    var message = event.data;
    if (event.origin !== hub || !message || message.hub !== 1 || typeof message.type !== "string") return;
    var frame = frameOf(event.source);
    if (!frame) return;
    var told = new CustomEvent("hub:" + message.type, { bubbles: true, cancelable: true, detail: message });
    if (frame.dispatchEvent(told)) act(frame, message);
  });
})();
