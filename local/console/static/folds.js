// The details of an upload that can be unfolded: its attempts and its log lines.

import { el, keyed, setAttribute, setText, show } from "./dom.js";
import { t, tOr } from "./texts.js";

const LEADING = new Set(["timestamp", "level", "event"]);
// The same on every line of one upload: the card shows them once.
const KNOWN = new Set(["bucket", "key", "record"]);

/** Make the fold of the attempts: name, time, outcome. */
export function attemptsFold() {
  return fold((upload) => upload.attempts, "upload.attempts.title", (attempt) => attempt.number, attemptLine);
}

/** Make the fold of the log lines. */
export function logFold() {
  const numbered = (upload) => upload.lines.map((line, place) => ({ ...line, place }));
  return fold(numbered, "upload.log", (line) => line.place, logLine, (item) => {
    const { place, ...line } = item;
    return line;
  });
}

function fold(itemsOf, title, keyOf, make) {
  const summary = el("summary");
  const list = el("ol", { class: "lines" });
  const node = el("details", { class: "fold" }, summary, list);
  const draw = keyed(list, keyOf, make);
  let items = [];
  // A folded list is not drawn: 200 uploads have thousands of lines.
  node.addEventListener("toggle", () => node.open && draw(items, true));
  return {
    node,
    update(upload) {
      items = itemsOf(upload);
      show(node, items.length > 0);
      setText(summary, t(title, { n: items.length }));
      if (node.open) draw(items, true);
    },
  };
}

function attemptLine() {
  const text = el("code");
  const state = el("strong");
  const when = el("time");
  const detail = el("p", { lang: "en" });
  return {
    node: el("li", {}, el("div", { class: "line-head" }, when, state), text, detail),
    update(attempt) {
      setText(when, timeOfDay(attempt.sent_at * 1000));
      const { outcome } = attempt;
      setText(state, `${attempt.number} · ${outcome ? tOr(`outcome.${outcome}`, outcome) : t("outcome.open")}`);
      setText(text, attempt.output);
      setText(detail, [attempt.code, attempt.message].filter(Boolean).join(" "));
      show(detail, detail.textContent !== "");
    },
  };
}

function logLine() {
  const when = el("time");
  const level = el("span", { class: "level" });
  const event = el("strong");
  const fields = el("dl", { class: "fields" });
  return {
    node: el("li", { lang: "en" }, el("div", { class: "line-head" }, when, level, event), fields),
    update({ place, ...line }) {
      setText(when, timeOfDay(Date.parse(line.timestamp)));
      setText(level, line.level ?? "");
      setAttribute(level, "data-level", line.level);
      setText(event, line.event ?? "");
      const rest = Object.entries(line).filter(([name, value]) => !LEADING.has(name) && !KNOWN.has(name) && value !== "");
      const shown = JSON.stringify(rest);
      if (fields.dataset.shown === shown) return;
      fields.dataset.shown = shown;
      fields.replaceChildren(...rest.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, plain(value))]));
    },
  };
}

function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function timeOfDay(milliseconds) {
  if (!Number.isFinite(milliseconds)) return "";
  const moment = new Date(milliseconds);
  const two = (n) => String(n).padStart(2, "0");
  const thousandths = String(moment.getMilliseconds()).padStart(3, "0");
  return `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}.${thousandths}`;
}
