/* Before anything is painted: what was chosen by the switch, if it was. Without it the system decides. */
(function () {
  try {
    var chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch (error) {
    /* A browser that keeps nothing: the system decides. */
  }
})();
