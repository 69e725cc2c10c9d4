// What has changed is put in its place. Without this script the page reloads itself.
"use strict";
(() => {
  const state = document.getElementById("link");
  const pause = document.getElementById("pause");
  let source = null;
  let paused = false;

  // Puts `html` into `element`; what one is at, has opened or has scrolled to stays.
  const put = (element, html) => {
    if (element.innerHTML === html) return;
    const within = element.contains(document.activeElement) ? document.activeElement : null;
    const href = within && within.getAttribute("href");
    const id = within && within.id;
    const open = [...element.querySelectorAll("details")].map((details) => details.open);
    const scrolled = [...element.querySelectorAll(".scroll")].map((scroll) => scroll.scrollLeft);
    element.innerHTML = html;
    element.querySelectorAll("details").forEach((details, n) => { details.open = Boolean(open[n]); });
    element.querySelectorAll(".scroll").forEach((scroll, n) => { scroll.scrollLeft = scrolled[n] || 0; });
    if (within) {
      const same = id ? document.getElementById(id)
        : [...element.querySelectorAll("a")].find((a) => a.getAttribute("href") === href);
      if (same) same.focus({ preventScroll: true });
    }
  };

  const row = (id) => {
    const found = document.getElementById(id);
    if (found) return found;
    const made = document.createElement("tr");
    made.id = id;
    return made;
  };

  const order = (body, ids) => {
    const within = body.contains(document.activeElement) ? document.activeElement : null;
    ids.forEach((id, n) => {
      const here = body.children[n];
      if (!here || here.id !== id) body.insertBefore(row(id), here || null);
    });
    while (body.children.length > ids.length) body.lastElementChild.remove();
    if (within && document.activeElement !== within && within.isConnected) within.focus({ preventScroll: true });
  };

  const change = (event) => {
    const { parts = {}, rows = {}, orders = {} } = JSON.parse(event.data);
    for (const [id, html] of Object.entries(parts)) {
      if (id === "title") { document.title = html; continue; }
      const element = document.getElementById(id);
      if (element) put(element, html);
    }
    for (const [id, ids] of Object.entries(orders)) {
      const body = document.getElementById(id);
      if (body) order(body, ids);
    }
    for (const [id, html] of Object.entries(rows)) pending.set(id, html);
    some();
    say("live", "live");
  };

  // Of many rows a few at a time: between them the page answers.
  const pending = new Map();
  let timer = 0;
  const some = () => {
    timer = 0;
    const end = performance.now() + 15;
    for (const [id, html] of pending) {
      pending.delete(id);
      const element = document.getElementById(id);
      if (element) put(element, html);
      if (performance.now() > end) break;
    }
    if (pending.size && !timer) timer = setTimeout(some, 15);
  };

  const say = (kind, text) => {
    if (state.dataset.kind === kind) return;
    state.dataset.kind = kind;
    state.textContent = text;
  };

  const start = () => {
    source = new EventSource("/live?at=" + encodeURIComponent(location.pathname + location.search));
    source.addEventListener("change", change);
    source.onopen = () => say("live", "live");
    source.onerror = () => {
      say("lost", "not live: parshall serve does not answer; it is tried again");
      // Refused, the browser does not try again by itself.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (!paused) start(); }, 3000);
    };
  };

  const toggle = () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    if (paused) { source.close(); say("paused", "paused"); } else { start(); }
  };

  pause.hidden = false;
  pause.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const filter = document.getElementById("filter");
    if (event.key === "/" && filter) { event.preventDefault(); filter.focus(); }
    if (event.key === "p") toggle();
    if (event.key === "g") location.assign("/");
  });
  start();
})();
