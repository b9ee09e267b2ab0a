// The pictures before and after, one above the other, with a slider between them.

import { pictureAddress } from "./api.js";
import { el, setAttribute, setText, show } from "./dom.js";
import { t } from "./texts.js";

const MIDDLE = 50;

/** Make the pictures of one upload; the slider appears with the second picture. */
export function compare() {
  const before = el("img", { class: "before", loading: "lazy", decoding: "async" });
  const after = el("img", { class: "after", loading: "lazy", decoding: "async", hidden: true });
  const broken = el("p", { class: "broken", hidden: true });
  const tags = [el("span", { class: "tag tag-before" }), el("span", { class: "tag tag-after" })];
  const line = el("span", { class: "split" });
  const slider = el("input", { type: "range", min: 0, max: 100, step: 1, value: MIDDLE });
  const larger = el("button", { type: "button", class: "larger", "aria-pressed": "false", onclick: toggle }, "⤢");
  const both = el("div", { class: "both", hidden: true }, line, ...tags, slider, larger);
  for (const part of [line, ...tags]) part.setAttribute("aria-hidden", "true");
  const node = el("div", { class: "compare" }, before, after, broken, both);
  show(larger, document.fullscreenEnabled); // not on an iPhone

  function place() {
    node.style.setProperty("--split", `${slider.value}%`);
    setAttribute(slider, "aria-valuetext", t("compare.value", { n: slider.value }));
  }

  function toggle() {
    const done = document.fullscreenElement ? document.exitFullscreen() : node.requestFullscreen();
    done.catch(() => {}); // The browser or the reader may refuse.
  }

  node.addEventListener("fullscreenchange", () => {
    setAttribute(larger, "aria-pressed", String(document.fullscreenElement === node));
  });

  slider.addEventListener("input", place);
  before.addEventListener("error", () => {
    show(before, false);
    show(broken, true);
  });
  after.addEventListener("error", () => {
    show(after, false);
    show(both, false);
  });

  return {
    node,
    update(upload) {
      const values = { name: upload.name, prompt: upload.prompt ?? t("upload.no-prompt") };
      setAttribute(before, "src", pictureAddress(upload.id, "before"));
      setAttribute(before, "alt", t("compare.before.alt", values));
      setAttribute(after, "alt", t("compare.after.alt", values));
      setAttribute(slider, "aria-label", t("compare.label", values));
      setAttribute(larger, "aria-label", t("compare.larger.label", values));
      setAttribute(larger, "title", t("compare.larger"));
      setText(tags[0], t("compare.before"));
      setText(tags[1], t("compare.after"));
      setText(broken, t("upload.broken"));
      if (upload.has_after) {
        if (!after.hasAttribute("src")) {
          show(after, true);
          show(both, true);
        }
        setAttribute(after, "src", pictureAddress(upload.id, "after"));
      }
      place();
    },
  };
}
