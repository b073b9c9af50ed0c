// Polls the fragment and lets ages tick. Without this file the page reloads itself.
"use strict";
(() => {
  const box = document.getElementById("evox-fragment");
  if (!box) return;
  const live = document.querySelector(".live");
  let etag = "";
  let timer = 0;
  let skew = Date.now() - Number(box.dataset.now);
  let heard = Date.now();

  const span = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d`;
  };

  const tick = () => {
    const now = Date.now() - skew;
    for (const time of document.querySelectorAll(".evox time[data-kind]")) {
      const seconds = (now - Date.parse(time.dateTime)) / 1000;
      if (time.dataset.kind === "in") time.textContent = seconds < 0 ? `in ${span(-seconds)}` : "due now";
      else time.textContent = `${span(seconds)} ago`;
    }
    const silence = (Date.now() - heard) / 1000;
    box.classList.toggle("dead", silence > 120);
    if (!live) return;
    live.classList.toggle("stale", silence > 20);
    const word = silence > 20 ? "▲ Stale: no answer, last" : "● Live · updated";
    if (live.firstElementChild.textContent !== word) live.firstElementChild.textContent = word;
  };

  const poll = async () => {
    clearTimeout(timer);
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const options = { headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(10000) };
      const answer = await fetch(box.dataset.fragmentUrl, options);
      if (answer.status !== 200 && answer.status !== 304) throw new Error(String(answer.status));
      if (answer.status === 200) {
        etag = answer.headers.get("ETag") || "";
        const text = await answer.text();
        const focus = box.contains(document.activeElement) && document.activeElement.getAttribute("href");
        box.innerHTML = text; // Rendered and escaped by the server.
        if (focus) box.querySelector(`a[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
      }
      heard = Date.now();
      skew = heard - Number(answer.headers.get("X-Evox-Now"));
      if (live) live.querySelector("time").dateTime = new Date(heard - skew).toISOString();
    } catch {
      // tick() says how long nothing was heard.
    }
    tick();
    timer = setTimeout(poll, document.hidden ? 60000 : 5000);
  };

  document.addEventListener("visibilitychange", () => document.hidden || poll());
  setInterval(tick, 1000);
  tick();
  timer = setTimeout(poll, 5000);
})();
