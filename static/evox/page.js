// Polls the fragment and lets ages tick. Without this file the page reloads itself.
"use strict";
(() => {
  const box = document.getElementById("evox-fragment");
  const live = document.querySelector(".live");
  const title = document.title;
  let etag = "";
  let seen = box ? box.dataset.now : ""; // Nothing older may follow, whichever process answers.
  let timer = 0;
  let heard = Date.now();
  let skew = box ? heard - Number(box.dataset.now) : 0;

  const span = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d`;
  };
  const words = {
    ago: (s) => `${span(s)} ago`,
    for: (s) => `for ${span(s)}`,
    in: (s) => (s < 0 ? `in ${span(-s)}` : "due now"),
  };

  const tick = () => {
    const now = Date.now() - skew;
    for (const time of document.querySelectorAll(".evox time[data-kind]")) {
      const text = words[time.dataset.kind]((now - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
    if (!box) return;
    const silence = (Date.now() - heard) / 1000;
    const stale = silence > 20;
    box.classList.toggle("dead", silence > 120);
    const needs = Number(box.querySelector("[data-needs]")?.dataset.needs);
    document.title = stale ? `▲ Stale · ${title}` : needs ? `✕ ${needs} · ${title}` : title;
    if (!live) return;
    live.classList.toggle("stale", stale);
    const word = stale ? "▲ Stale: EVOX doesn't answer, last heard" : "● Live · updated";
    if (live.firstElementChild.textContent !== word) live.firstElementChild.textContent = word;
  };

  // The new fragment, with what its reader opened, typed and focused.
  const show = (text) => {
    const active = box.contains(document.activeElement) ? document.activeElement : null;
    const mark = active && ["href", "value", "name"].find((name) => active.hasAttribute(name));
    const focus = mark && `${active.localName}[${mark}="${CSS.escape(active.getAttribute(mark))}"]`;
    const open = [...box.querySelectorAll("details[open]")].map((one) => one.id);
    const typed = [...box.querySelectorAll("input")].map((one) => [one.name, one.value]);
    box.innerHTML = text; // Rendered and escaped by the server.
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const [name, value] of typed) {
      const input = box.querySelector(`input[name="${CSS.escape(name)}"]`);
      if (input) input.value = value;
    }
    if (focus) box.querySelector(focus)?.focus({ preventScroll: true });
  };

  const poll = async () => {
    clearTimeout(timer);
    try {
      const headers = etag ? { "X-Evox-Seen": seen, "If-None-Match": etag } : { "X-Evox-Seen": seen };
      const options = { headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(10000) };
      const answer = await fetch(box.dataset.fragmentUrl, options);
      if (answer.status !== 200 && answer.status !== 304) throw new Error(String(answer.status));
      if (answer.status === 200) {
        const text = await answer.text();
        etag = answer.headers.get("ETag") || "";
        show(text);
      }
      heard = Date.now();
      seen = answer.headers.get("X-Evox-Now") || "";
      skew = heard - Number(seen);
      if (live) live.querySelector("time").dateTime = new Date(heard - skew).toISOString();
    } catch {
      // tick() says how long nothing was heard.
    }
    tick();
    timer = setTimeout(poll, document.hidden ? 60000 : 5000);
  };

  setInterval(tick, 1000);
  tick();
  if (!box) return;
  document.addEventListener("visibilitychange", () => document.hidden || poll());
  timer = setTimeout(poll, 5000);
})();
