// The pages about the API can be read without it. It adds buttons that copy a command, opens what an address names, and folds the
// contents away on a small screen.
(function () {
  "use strict";

  function all(selector, act) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), act);
  }

  if (navigator.clipboard) {
    all(".code[data-copied]", function (block) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "button quiet copy";
      button.textContent = "Copy";
      button.addEventListener("click", function () {
        navigator.clipboard.writeText(block.querySelector("code").textContent.replace(/\n$/, "")).then(function () {
          button.textContent = "Copied";
          window.setTimeout(function () { button.textContent = "Copy"; }, 2000);
        }, function () { button.textContent = "Press Ctrl+C"; });
      });
      block.insertBefore(button, block.firstChild);
    });
  }

  if (window.matchMedia("(max-width: 63.99rem)").matches) {
    all(".docs-contents", function (contents) { contents.open = false; });
  }
})();
