// The addresses of an upload's result, each with a button that copies it.

import { toast } from "./announce.js";
import { el, keyed, setAttribute, setText } from "./dom.js";
import { t } from "./texts.js";

const SHOWN_MILLISECONDS = 2000;

/** Make the list of an upload's addresses. */
export function addresses() {
  const node = el("ul", { class: "uris" });
  const draw = keyed(node, (uri) => uri.kind + uri.text, address);
  return {
    node,
    update(upload) {
      const of = (kind, texts) => texts.map((text) => ({ kind, text, name: upload.name }));
      draw([...of("store", upload.store_uris), ...of("image", upload.image_urls)], true);
    },
  };
}

function address(first) {
  const label = el("span", { class: "uri-label" });
  const text = el("code", { title: first.text }, first.text);
  const button = el("button", { type: "button", class: "small", onclick: copy });
  let what = "";
  let resting = 0;

  async function copy() {
    try {
      await navigator.clipboard.writeText(first.text);
    } catch {
      toast(t("copy.failed"));
      return;
    }
    toast(t("copy.done", { what }));
    setText(button, t("copied"));
    clearTimeout(resting);
    resting = setTimeout(() => {
      resting = 0;
      setText(button, t("copy"));
    }, SHOWN_MILLISECONDS);
  }

  return {
    node: el("li", {}, label, text, button),
    update(uri) {
      what = t(`uri.${uri.kind}`);
      setText(label, what);
      if (!resting) setText(button, t("copy"));
      setAttribute(button, "aria-label", t("copy.label", { what, name: uri.name }));
    },
  };
}
