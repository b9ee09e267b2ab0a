// Times that tick: each element holds the moment that it counts from, one timer writes them all.

import { el, setAttribute, setText } from "./dom.js";
import { number, t } from "./texts.js";

/** Make an element whose text follows the clock; see `setClock`. */
export function clock() {
  return el("span", { class: "clock" });
}

/**
 * Let an element count: `form` is "elapsed" (since `moment`), "ago" or "in" (until `moment`).
 * `moment` is in seconds since the epoch.
 */
export function setClock(node, form, moment) {
  setAttribute(node, "data-clock", form);
  setAttribute(node, "data-moment", moment);
  write(node, Date.now() / 1000);
}

/** Stop an element's clock, and show a text. */
export function stopClock(node, text) {
  setAttribute(node, "data-clock", null);
  setText(node, text);
}

/** Write a duration: 0.04 s, 1.2 s, 42 s, 3 min 5 s, 2 h 10 min. */
export function duration(seconds) {
  if (seconds < 1) return t("time.seconds", { n: number(seconds, 2) });
  if (seconds < 10) return t("time.seconds", { n: number(seconds, 1) });
  if (seconds < 60) return t("time.seconds", { n: number(Math.floor(seconds)) });
  if (seconds < 3600) {
    return t("time.minutes", { n: Math.floor(seconds / 60), s: Math.floor(seconds % 60) });
  }
  return t("time.hours", { n: Math.floor(seconds / 3600), m: Math.floor((seconds % 3600) / 60) });
}

/** Write all times once a second. They are in no live region, so none is spoken. */
export function tick() {
  const now = Date.now() / 1000;
  for (const node of document.querySelectorAll("[data-clock]")) write(node, now);
  setTimeout(tick, 1000);
}

function write(node, now) {
  const moment = Number(node.dataset.moment);
  const past = Math.floor(Math.max(0, now - moment));
  const left = Math.ceil(Math.max(0, moment - now));
  const texts = {
    elapsed: () => duration(past),
    ago: () => (past < 2 ? t("time.just-now") : t("time.ago", { time: duration(past) })),
    in: () => (left === 0 ? t("time.now") : t("time.in", { time: duration(left) })),
  };
  setText(node, texts[node.dataset.clock]());
}
