// One script for all pages: Airflow's theme, filters that apply at once, progress, and links out of Airflow's frame.
// Every page works without it.
"use strict";

(() => {
  // Airflow stores its theme (light, dark, or system) under this key.
  function applyTheme() {
    let theme = null;
    try { theme = localStorage.getItem("theme"); } catch { /* storage is blocked: the system decides */ }
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  }
  applyTheme();
  addEventListener("storage", applyTheme);

  addEventListener("DOMContentLoaded", () => {
    // Airflow's own pages open in Airflow, not inside its frame. The frame's sandbox allows no other way.
    if (window.parent !== window) {
      document.addEventListener("click", (event) => {
        const link = event.target.closest("a[data-airflow]");
        if (!link || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        const outside = window.parent.document.createElement("a");
        outside.href = link.href;
        outside.click();
      });
    }

    // Filters apply when they change.
    for (const form of document.querySelectorAll("form[data-auto]")) {
      form.addEventListener("change", () => form.requestSubmit());
    }

    // A form is sent once. Its button shows that it works.
    for (const form of document.querySelectorAll("form[method=post]")) {
      form.addEventListener("submit", (event) => {
        if (event.submitter?.name === "download") return; // the answer is a file, and the page stays
        if (form.dataset.sent) { event.preventDefault(); return; }
        form.dataset.sent = "yes";
        const button = event.submitter;
        if (button) setTimeout(() => { button.disabled = true; button.dataset.text = button.textContent; button.textContent = button.dataset.busy || "Working…"; });
      });
      // Back from the next page: the browser may show this one as it was left.
      addEventListener("pageshow", () => {
        delete form.dataset.sent;
        for (const button of form.querySelectorAll("button[data-text]")) {
          button.disabled = false;
          button.textContent = button.dataset.text;
          delete button.dataset.text;
        }
      });
    }

    // Copy a text, such as a reply. The button may be in a part that is fetched later.
    document.documentElement.dataset.script = "yes";
    document.addEventListener("click", async (event) => {
      const button = event.target.closest("button[data-copy]");
      if (!button) return;
      const source = document.getElementById(button.dataset.copy);
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      button.textContent = "Copied";
    });

    // Take a suggestion into its list.
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-set]");
      if (!button) return;
      const list = document.getElementById(button.dataset.set);
      list.value = button.dataset.value;
      list.dispatchEvent(new Event("change", { bubbles: true }));
      button.closest("tr").classList.remove("needs-action");
      list.focus();
      button.remove();
    });

    // What a change does is shown while it is chosen: <form data-live="ID of the place">. The form's answer has it as #live.
    for (const form of document.querySelectorAll("form[data-live]")) {
      let waiting = 0, newest = 0;
      form.addEventListener("change", () => {
        clearTimeout(waiting);
        waiting = setTimeout(async () => {
          const turn = ++newest;
          const place = document.getElementById(form.dataset.live);
          const body = new URLSearchParams(new FormData(form));
          const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { accept: "text/html" } });
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          if (turn !== newest) return;
          const shown = page.getElementById("live");
          place.className = shown ? "card" : "";
          place.replaceChildren(...(shown ? shown.childNodes : []));
        }, 250);
      });
    }

    // A part of a page that is fetched again until it is done: <div data-poll="URL" data-every="2">.
    for (const part of document.querySelectorAll("[data-poll]")) poll(part);
  });

  async function poll(part) {
    const every = Number(part.dataset.every || 2) * 1000;
    while (part.dataset.poll) {
      await new Promise((done) => setTimeout(done, every));
      let answer;
      try { answer = await fetch(part.dataset.poll, { headers: { accept: "text/html" } }); } catch { continue; }
      if (!answer.ok) return;
      const html = await answer.text();
      const next = new DOMParser().parseFromString(html, "text/html").querySelector("[data-poll], [data-done]");
      if (!next) return;
      part.replaceChildren(...next.childNodes);
      if (next.hasAttribute("data-done")) {
        delete part.dataset.poll;
        if (next.dataset.done) location.assign(next.dataset.done);
        return;
      }
    }
  }
})();
