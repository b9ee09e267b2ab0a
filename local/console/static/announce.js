// What is said to the reader: a short note at the page's foot, or only to a screen reader.

import { byId, setText } from "./dom.js";

const SHOWN_MILLISECONDS = 4000;
const GATHERED_MILLISECONDS = 800;

let hiding = 0;
let gathered = [];

/** Show a short note, which is spoken too. */
export function toast(text) {
  setText(byId("toast"), text);
  clearTimeout(hiding);
  hiding = setTimeout(() => setText(byId("toast"), ""), SHOWN_MILLISECONDS);
}

/** Speak `text`; what comes close together is spoken in one go. */
export function announce(text) {
  if (gathered.length === 0) setTimeout(speak, GATHERED_MILLISECONDS);
  gathered.push(text);
}

function speak() {
  setText(byId("announcer"), gathered.join(" "));
  gathered = [];
}
