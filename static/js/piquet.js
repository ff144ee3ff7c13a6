// Progressive enhancement only: every page works without this file.
(function () {
  "use strict";

  const $all = (selector, within) => Array.from((within || document).querySelectorAll(selector));

  // htmx sends the token of the page with every request that changes something.
  function sendCsrfToken() {
    const meta = document.querySelector('meta[name="csrf-token"]');
    if (!meta) return;
    document.addEventListener("htmx:configRequest", (event) => {
      event.detail.headers["X-CSRFToken"] = meta.content;
    });
  }

  // <details class="menu">: one at a time, closed by Escape and by a click elsewhere.
  function closeMenus() {
    const opened = () => $all("details.menu[open]");
    document.addEventListener("click", (event) => {
      opened().forEach((menu) => {
        if (!menu.contains(event.target)) menu.open = false;
      });
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      opened().forEach((menu) => {
        menu.open = false;
        menu.querySelector("summary").focus();
      });
      const toggle = document.getElementById("menu-toggle");
      if (toggle && toggle.checked) {
        toggle.checked = false;
        toggle.focus();
      }
    });
  }

  // A menu in a table that scrolls would be cut off: its panel opens in the top layer, below its button.
  function liftTableMenus() {
    document.addEventListener("toggle", (event) => {
      const menu = event.target;
      if (!menu.matches(".table-scroll details.menu")) return;
      const panel = menu.querySelector(".menu-panel");
      if (!menu.open || !panel.showPopover) return;
      panel.setAttribute("popover", "manual");
      panel.showPopover();
      const button = menu.querySelector("summary").getBoundingClientRect();
      const below = button.bottom + 4 + panel.offsetHeight <= window.innerHeight;
      panel.style.top = `${below ? button.bottom + 4 : Math.max(4, button.top - 4 - panel.offsetHeight)}px`;
      panel.style.left = `${Math.max(4, button.right - panel.offsetWidth)}px`;
    }, true);
    window.addEventListener("scroll", () => $all(".table-scroll details.menu[open]").forEach((menu) => (menu.open = false)), true);
  }

  // Alerts get their close button only here, because only here it works.
  function dismissAlerts(within) {
    $all(".alert-close[hidden]", within).forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", () => button.closest(".alert").remove());
    });
  }

  // data-copy="text", or data-copy-from="#id" for the text of an element.
  async function copy(button) {
    const source = button.dataset.copyFrom ? document.querySelector(button.dataset.copyFrom) : null;
    const text = source ? source.value || source.textContent.trim() : button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
      announce(button.dataset.copied || button.textContent.trim());
      const label = button.querySelector(".copy-label");
      if (label && button.dataset.copied) label.textContent = button.dataset.copied;
    } catch {
      // Without https the clipboard is closed to pages: select the text so that Ctrl+C copies it.
      if (source) window.getSelection().selectAllChildren(source);
    }
  }

  function announce(text) {
    const region = document.getElementById("announcements");
    if (region) region.textContent = text;
  }

  // Asks in the page's <dialog id="confirm-dialog">; resolves to true or false.
  function ask(element) {
    const dialog = document.getElementById("confirm-dialog");
    const title = dialog.querySelector("[data-confirm-part=title]");
    const text = dialog.querySelector("[data-confirm-part=text]");
    const yes = dialog.querySelector("[data-confirm-part=yes]");
    title.textContent = element.dataset.confirmTitle || title.dataset.fallback;
    text.textContent = element.dataset.confirm || element.getAttribute("hx-confirm");
    yes.textContent = element.dataset.confirmLabel || yes.dataset.fallback;
    yes.className = "btn " + (element.hasAttribute("data-confirm-danger") ? "btn-danger" : "btn-primary");
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }

  function confirmForms() {
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (!form.dataset.confirm || form.dataset.confirmed) return;
      event.preventDefault();
      const submitter = event.submitter;
      ask(form).then((agreed) => {
        if (!agreed) return;
        form.dataset.confirmed = "yes";
        form.requestSubmit(submitter);
        delete form.dataset.confirmed;
      });
    });
    document.addEventListener("htmx:confirm", (event) => {
      if (!event.detail.question) return;
      event.preventDefault();
      ask(event.detail.elt).then((agreed) => agreed && event.detail.issueRequest(true));
    });
  }

  // <form data-auto-submit>: a changed choice applies at once; typed text waits for Enter.
  function autoSubmit() {
    document.addEventListener("change", (event) => {
      const form = event.target.closest("form[data-auto-submit]");
      if (form && event.target.matches("select, input[type=checkbox], input[type=radio], input[type=date]")) {
        form.requestSubmit();
      }
    });
  }

  // <form data-guard-unsaved>: the browser asks before changes are lost; ="changed": it came with some. A button with
  // data-download leaves the page standing, and what was changed in it.
  function guardUnsaved() {
    const changed = new Set($all("form[data-guard-unsaved=changed]"));
    document.addEventListener("input", (event) => {
      const form = event.target.closest("form[data-guard-unsaved]");
      if (form) changed.add(form);
    });
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (changed.delete(form) && event.submitter?.hasAttribute("data-download")) setTimeout(() => changed.add(form), 4000);
    });
    window.addEventListener("beforeunload", (event) => {
      if (Array.from(changed).some((form) => form.isConnected)) event.preventDefault();
    });
  }

  // A form is sent once: a double click on its button does nothing. It opens again after some seconds, because
  // an answer that is a download leaves the page standing.
  function submitOnce() {
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post")) return;
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
      setTimeout(() => delete form.dataset.sent, 4000);
    });
  }

  // Stacked on a phone, a table loses its roles and headings in some browsers: both are written out here.
  function labelStackedTables(within) {
    $all("table.table-stack", within).forEach((table) => {
      const headings = $all(":scope > thead th", table).map((cell) => cell.textContent.trim());
      table.setAttribute("role", "table");
      $all(":scope > thead, :scope > tbody, :scope > tfoot", table).forEach((part) => part.setAttribute("role", "rowgroup"));
      $all(":scope > * > tr", table).forEach((row) => {
        row.setAttribute("role", "row");
        Array.from(row.children).forEach((cell, index) => {
          const heading = cell.closest("thead") !== null;
          if (!cell.hasAttribute("role")) {
            cell.setAttribute("role", heading ? "columnheader" : cell.tagName === "TH" ? "rowheader" : "cell");
          }
          if (!heading && !cell.dataset.label && headings[index] && cell.colSpan === 1) cell.dataset.label = headings[index];
        });
      });
    });
  }

  // <input type="checkbox" data-select-all="name"> ticks every box of that name in its form.
  function selectAll() {
    document.addEventListener("change", (event) => {
      const name = event.target.dataset.selectAll;
      if (!name) return;
      const boxes = $all(`input[type=checkbox][name="${name}"]:not(:disabled)`, event.target.form || document);
      boxes.forEach((box) => (box.checked = event.target.checked));
    });
  }

  // <div data-presets='{"choice": "text"}' data-presets-for="field">: a choice fills the field, unless something else
  // than a preset was typed there.
  function presets() {
    document.addEventListener("change", (event) => {
      const box = event.target.closest("[data-presets]");
      if (!box) return;
      const values = JSON.parse(box.dataset.presets);
      const field = document.getElementById(box.dataset.presetsFor);
      const typed = field.value !== "" && !Object.values(values).map(String).includes(field.value);
      if (!typed) field.value = values[event.target.value];
    });
  }

  // Where the tabs are wider than a phone, the one that is open is in sight.
  function showOpenTab() {
    const open = document.querySelector(".tabs [aria-current]");
    if (!open) return;
    const row = open.closest(".tabs");
    row.scrollLeft += open.getBoundingClientRect().right - row.getBoundingClientRect().right + 16;
  }

  function enhance(within) {
    dismissAlerts(within);
    labelStackedTables(within);
  }

  sendCsrfToken();
  closeMenus();
  liftTableMenus();
  confirmForms();
  autoSubmit();
  guardUnsaved();
  submitOnce();
  selectAll();
  presets();
  showOpenTab();
  window.addEventListener("resize", showOpenTab);
  enhance(document);
  document.addEventListener("htmx:load", (event) => enhance(event.detail.elt));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (button) copy(button);
  });
  const summary = document.querySelector(".error-summary");
  if (summary) summary.focus();
})();
