// Keeps the incident's page current. Without it the page works, and is loaded again by hand.
(() => {
  "use strict";
  const main = document.querySelector("main[data-page]");
  if (!main) return;
  const live = document.getElementById("live");
  const address = main.dataset.page;
  let source = null;
  let refreshing = false;
  let again = false;

  const shownLength = () => main.querySelector("[data-length]").dataset.length;

  // --- what a person has typed or opened stays as it is -------------------------------------------

  const nameOf = (field) => `${field.form.getAttribute("action")} ${field.closest("[id]")?.id} ${field.name}`;
  const fields = () =>
    [...main.querySelectorAll("textarea, select, input:not([type=hidden])")].filter((field) => field.form);

  function kept() {
    const typed = new Map();
    for (const field of fields()) {
      const radio = field.type === "radio";
      const first = field.options && ([...field.options].find((one) => one.defaultSelected) ?? field.options[0]);
      const changed = radio ? field.checked !== field.defaultChecked : field.value !== (field.defaultValue ?? first?.value);
      if (changed) typed.set(nameOf(field), field.value);
    }
    const open = [...main.querySelectorAll("details[open][id], details.closed[open]")].map((one) => one.id);
    const active = document.activeElement;
    const focus = active?.form && main.contains(active) && active.name
      ? { name: nameOf(active), tag: active.tagName, value: active.value, at: active.selectionStart } : null;
    return { typed, open, focus };
  }

  function restore({ typed, open, focus }) {
    for (const id of open) {
      const one = id ? document.getElementById(id) : main.querySelector("details.closed");
      if (one) one.open = true;
    }
    for (const field of fields()) {
      const value = typed.get(nameOf(field));
      if (value === undefined) continue;
      if (field.type === "radio") field.checked = field.value === value;
      else field.value = value;
    }
    if (!focus) return;
    const same = [...main.querySelectorAll(focus.tag)].find(
      (one) => one.form && nameOf(one) === focus.name && (focus.tag !== "BUTTON" || one.value === focus.value));
    if (!same) return;
    same.focus({ preventScroll: true });
    if (typeof focus.at === "number" && same.setSelectionRange) same.setSelectionRange(focus.at, focus.at);
  }

  // --- changes -----------------------------------------------------------------------------------

  async function refresh() {
    if (refreshing) { again = true; return; }
    refreshing = true;
    try {
      do {
        again = false;
        const answer = await fetch(`${address}?part=main`, { cache: "no-store", credentials: "same-origin" });
        if (answer.status === 401 || answer.status === 403) { location.reload(); return; }
        if (!answer.ok) throw new Error(String(answer.status));
        const text = await answer.text();
        if (main.querySelector("[data-sending]")) return; // the answer to the form loads the page
        const before = kept();
        const top = anchorTop();
        main.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
        restore(before);
        stayAt(top);
        tick();
      } while (again);
    } finally {
      refreshing = false;
    }
  }

  // What the person reads stays in its place, although something above it has grown.
  function anchorTop() {
    if (window.scrollY < 40) return null;
    const seen = [...main.querySelectorAll("article[id], section[aria-labelledby]")].find(
      (one) => one.getBoundingClientRect().bottom > 0);
    if (!seen) return null;
    return { id: seen.id || seen.getAttribute("aria-labelledby"), top: seen.getBoundingClientRect().top };
  }

  function stayAt(place) {
    const found = place && document.getElementById(place.id);
    if (!found) return;
    const box = found.matches("article") ? found : found.closest("section") ?? found;
    window.scrollBy(0, box.getBoundingClientRect().top - place.top);
  }

  function listen() {
    source = new EventSource(`${address}/events?length=${shownLength()}`);
    source.onopen = () => { live.textContent = "live"; live.className = "on"; };
    source.onerror = () => {
      live.textContent = "not live, connecting again";
      live.className = "off";
      if (source.readyState === EventSource.CLOSED) setTimeout(reconnect, 5000);
    };
    source.addEventListener("change", () => refresh().catch(() => { live.className = "off"; }));
    source.addEventListener("end", () => location.reload());
  }

  function reconnect() {
    source.close();
    refresh().then(listen, () => setTimeout(reconnect, 5000));
  }

  // --- countdowns --------------------------------------------------------------------------------

  function words(seconds) {
    const s = Math.abs(Math.round(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} days`;
  }

  function tick() {
    for (const one of main.querySelectorAll("[data-until]")) {
      const left = (new Date(one.dataset.until) - Date.now()) / 1000;
      const text = left >= 0 ? `in ${words(left)}` : one.closest(".clocks") ? `MISSED ${words(left)} ago` : "now";
      if (one.textContent !== text) one.textContent = text;
      if (left < 0) one.closest("li")?.classList.replace("plain", "bad");
    }
  }

  // --- forms -------------------------------------------------------------------------------------

  main.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sending) { event.preventDefault(); return; }
    form.dataset.sending = "yes";
    setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; });
    if (event.submitter) event.submitter.setAttribute("aria-busy", "true");
  });

  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  const target = () => {
    const found = location.hash && document.getElementById(location.hash.slice(1));
    const fold = found && found.closest("details");
    if (fold) { fold.open = true; found.scrollIntoView(); }
  };
  addEventListener("hashchange", target);
  target();
  tick();
  setInterval(tick, 1000);
  listen();
})();
