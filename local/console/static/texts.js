// The page's texts in the reader's language.

import { en } from "./texts-en.js";
import { zh } from "./texts-zh.js";
import { byId, setText } from "./dom.js";

const TEXTS = { en, zh };
const TAGS = { en: "en", zh: "zh-CN" };
const KEPT = "repaint.language";

let language = choose();

/** Return the text named `key`; `values` fill its {places}. */
export function t(key, values = {}) {
  const text = TEXTS[language][key] ?? en[key] ?? key;
  if (typeof text === "function") return text(values);
  return text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

/** Return the text named `key`, or `otherwise` if there is none: for names that the cloud sends. */
export function tOr(key, otherwise, values) {
  return key in en ? t(key, values) : otherwise;
}

/** Write a number in this language, with at most `digits` behind the point. */
export function number(value, digits = 0) {
  return value.toLocaleString(TAGS[language], { maximumFractionDigits: digits });
}

/** Insert every fixed text of index.html, and let the switch change the language. */
export function begin(onSwitch) {
  apply();
  byId("language").addEventListener("click", () => {
    language = language === "en" ? "zh" : "en";
    keep(language);
    apply();
    onSwitch();
  });
}

function apply() {
  document.documentElement.lang = TAGS[language];
  document.title = t("title");
  for (const node of document.querySelectorAll("[data-text]")) setText(node, t(node.dataset.text));
  byId("sections").setAttribute("aria-label", t("nav.label"));
  byId("prompt").placeholder = t("form.prompt.example");
  byId("seed").placeholder = t("form.seed.example");
  byId("scale").placeholder = "7";
  byId("steps").placeholder = "20";
  // The switch is written in the language that it switches to.
  const other = language === "en" ? "zh" : "en";
  byId("language").lang = TAGS[other];
  setText(byId("language"), other === "zh" ? "中文" : "English");
}

function choose() {
  const kept = recall();
  if (kept in TEXTS) return kept;
  for (const wanted of navigator.languages) {
    const [name] = wanted.toLowerCase().split("-");
    if (name in TEXTS) return name;
  }
  return "en";
}

// If storage is switched off, the page follows the browser's language on every visit.
function recall() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function keep(chosen) {
  try {
    localStorage.setItem(KEPT, chosen);
  } catch {
    // Not remembered.
  }
}
