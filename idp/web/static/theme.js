// Runs before the first paint of a full page: a remembered light or dark choice must not flash. Frames follow the system.
(function () {
  try {
    var choice = localStorage.getItem("hub-theme");
    if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
  } catch (refused) {
    /* storage is closed to us: the system's setting stands */
  }
})();
