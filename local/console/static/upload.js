// One upload's card: its pictures, progress, figures, addresses and log.

import { toast } from "./announce.js";
import * as api from "./api.js";
import { compare } from "./compare.js";
import { addresses } from "./copy.js";
import { el, setAttribute, setText, show } from "./dom.js";
import { attemptsFold, logFold } from "./folds.js";
import { number, t } from "./texts.js";
import { clock, duration, setClock, stopClock } from "./time.js";
import { why } from "./why.js";

/** The stages at which the platform stops. */
export const ENDED = new Set([
  "generated", "rejected", "skipped", "superseded", "deferred", "in_doubt", "dropped",
]);

const TONES = {
  waiting: "calm", working: "busy", retrying: "wait", generated: "good", rejected: "bad",
  skipped: "calm", superseded: "calm", deferred: "wait", in_doubt: "doubt", dropped: "bad",
};

/** Make the card of an upload. */
export function uploadCard(first) {
  const titleId = `upload-${first.id}`;
  const pictures = compare();
  const name = el("h3", { id: titleId });
  const badge = el("span", { class: "badge" });
  const prompt = el("p", { class: "prompt" });
  const steps = el("ol", { class: "steps" });
  const stepNodes = [0, 1, 2, 3].map(() => el("li"));
  steps.append(...stepNodes);
  const time = clock();
  const figures = el("span");
  const settings = el("span", { class: "settings" });
  const meaning = el("p");
  const detail = el("p", { class: "detail", lang: "en" });
  const reason = el("div", { class: "reason" }, meaning, detail);
  const uris = addresses();
  const attempts = attemptsFold();
  const log = logFold();
  const again = el("button", { type: "button", class: "small", onclick: runAgain });
  const node = el(
    "article",
    { class: "card", "aria-labelledby": titleId },
    pictures.node,
    el(
      "div",
      { class: "card-body" },
      el("div", { class: "card-head" }, name, badge),
      prompt,
      steps,
      reason,
      el("p", { class: "figures" }, time, figures, settings),
      uris.node,
      el("div", { class: "card-foot" }, attempts.node, log.node, again),
    ),
  );
  let upload = first;

  async function runAgain() {
    if (again.getAttribute("aria-disabled")) return;
    setAttribute(again, "aria-disabled", "true");
    try {
      await api.again(upload.id);
      toast(t("upload.again.sent", { name: upload.name }));
    } catch (problem) {
      toast(problem.message);
    } finally {
      setAttribute(again, "aria-disabled", null);
    }
  }

  return {
    node,
    update(fresh) {
      upload = fresh;
      const ended = ENDED.has(upload.stage);
      setAttribute(node, "data-stage", upload.stage);
      setAttribute(node, "data-tone", TONES[upload.stage]);
      setText(name, upload.name);
      setAttribute(name, "title", upload.key);
      setText(badge, t(`stage.${upload.stage}`));
      setText(prompt, upload.prompt || t("upload.no-prompt"));
      setAttribute(prompt, "data-missing", !upload.prompt);
      drawSteps(steps, stepNodes, upload.stage);
      setText(meaning, why(upload));
      setText(detail, upload.reason);
      show(reason, upload.reason !== "");
      if (upload.seconds !== null) stopClock(time, duration(upload.seconds));
      else setClock(time, "elapsed", upload.uploaded_at);
      setText(figures, figuresOf(upload).map((figure) => ` · ${figure}`).join(""));
      setText(settings, settingsOf(upload).map((setting) => ` · ${setting}`).join(""));
      pictures.update(upload);
      uris.update(upload);
      attempts.update(upload);
      log.update(upload);
      setText(again, t("upload.again"));
      setAttribute(again, "aria-label", t("upload.again.label", { name: upload.name }));
      show(again, ended);
    },
  };
}

/** Draw the steps: uploaded, waiting, working, and then generated or another end. */
function drawSteps(list, nodes, stage) {
  const ended = ENDED.has(stage);
  const at = ended ? 3 : stage === "working" ? 2 : 1;
  const names = ["uploaded", stage === "retrying" ? "retrying" : "waiting", "working", ended ? stage : "generated"];
  setAttribute(list, "aria-label", t("stage.progress"));
  nodes.forEach((node, index) => {
    setText(node, t(`stage.${names[index]}`));
    setAttribute(node, "data-at", index < at ? "past" : index === at ? "now" : "later");
    setAttribute(node, "aria-current", index === at ? "step" : null);
  });
}

function figuresOf(upload) {
  const figures = [];
  if (upload.attempts.length) figures.push(t("upload.attempts", { n: upload.attempts.length }));
  if (upload.deliveries) figures.push(t("upload.deliveries", { n: upload.deliveries }));
  if (upload.duplicates) figures.push(t("upload.duplicates", { n: upload.duplicates }));
  return figures;
}

function settingsOf(upload) {
  const settings = ["seed", "scale", "steps"]
    .filter((name) => upload[name] !== null && upload[name] !== undefined)
    .map((name) => `${t(`form.${name}`)} ${typeof upload[name] === "number" ? number(upload[name], 3) : upload[name]}`);
  if (upload.again_of) settings.push(t("upload.again-of"));
  return settings;
}
