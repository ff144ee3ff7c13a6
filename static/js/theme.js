// Runs in <head> before anything is painted: turns the stored choice (data-theme) into light or dark.
(function () {
  "use strict";
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function apply() {
    const choice = root.dataset.theme;
    const wanted = choice === "light" || choice === "dark" ? choice : dark.matches ? "dark" : "light";
    root.setAttribute("data-bs-theme", wanted);
  }

  root.classList.add("js");
  dark.addEventListener("change", apply);
  apply();
})();
