// Notes to the reader: at the page's foot, or for a screen reader only.

import { byId, setText } from "./dom.js";

const SHOWN_MILLISECONDS = 4000;
const GATHERED_MILLISECONDS = 800;

let hiding = 0;
let gathered = [];

/** Show a short note, which a screen reader speaks too. */
export function toast(text) {
  setText(byId("toast"), text);
  clearTimeout(hiding);
  hiding = setTimeout(() => setText(byId("toast"), ""), SHOWN_MILLISECONDS);
}

/** Speak `text`; texts in quick succession are spoken together. */
export function announce(text) {
  if (gathered.length === 0) setTimeout(speak, GATHERED_MILLISECONDS);
  gathered.push(text);
}

function speak() {
  setText(byId("announcer"), gathered.join(" "));
  gathered = [];
}
