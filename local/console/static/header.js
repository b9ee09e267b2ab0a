// The header: charges beside images, and the connection to the cloud.

import { byId, el, setAttribute, setText, show } from "./dom.js";
import { number, t } from "./texts.js";

export function beginHeader() {
  let charges = null;
  let connection = "connecting";
  const paid = el("span", { class: "figure" });
  const made = el("span", { class: "figure" });
  const note = el("span", { class: "balance-note" });
  byId("balance").append(paid, " ", made, " ", note);

  function updateCharges(fresh) {
    charges = fresh;
    const more = fresh.charges - fresh.images;
    setText(paid, t("charges", { n: number(fresh.charges) }));
    setText(made, t("images", { n: number(fresh.images) }));
    const words = more > 0 ? t("charges.more", { n: more }) : t("charges.fewer", { n: -more });
    setText(note, more === 0 ? "" : words);
    setAttribute(byId("balance"), "data-tone", more === 0 ? null : "wait");
  }

  function updateConnection(fresh) {
    connection = fresh;
    const texts = { connecting: "connecting", live: "live", gone: "connection.gone" };
    setAttribute(byId("connection"), "data-tone", { live: "good", gone: "bad" }[fresh]);
    setText(byId("connection"), t(texts[fresh]));
    setText(byId("gone"), fresh === "gone" ? t("gone") : "");
    show(byId("gone"), fresh === "gone");
  }

  return {
    updateCharges,
    updateConnection,
    redraw() {
      updateConnection(connection);
      if (charges) updateCharges(charges);
    },
  };
}
