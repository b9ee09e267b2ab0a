// The page: every part, and the state that they draw.

import { announce, toast } from "./announce.js";
import * as api from "./api.js";
import { byId, el, keyed, setAttribute, setText, show } from "./dom.js";
import { beginFaults } from "./faults.js";
import { beginForm } from "./form.js";
import { beginHeader } from "./header.js";
import { beginLedger } from "./ledger.js";
import { beginQueue } from "./queue.js";
import { follow } from "./stream.js";
import { begin as beginTexts, number, t } from "./texts.js";
import { tick } from "./time.js";
import { ENDED, uploadCard } from "./upload.js";

const header = beginHeader();
const form = beginForm();
const queue = beginQueue();
const ledger = beginLedger();
const faults = beginFaults();
const drawUploads = keyed(byId("upload-list"), (upload) => upload.id, uploadCard);
const drawSamples = keyed(byId("sample-pictures"), (sample) => sample.name, sampleCard);
const drawStack = keyed(byId("sample-stack"), (sample) => sample.name, (sample) => ({
  node: el("img", { src: api.sampleAddress(sample.name), alt: "" }),
  update: () => {},
}));

let shown = null;
let stages = null;

function draw(state, kinds, all = false) {
  shown = state;
  if (kinds.has("uploads")) {
    drawUploads(state.uploads, all);
    setText(byId("uploads-count"), state.uploads.length ? number(state.uploads.length) : "");
    show(byId("welcome"), state.uploads.length === 0);
    announceEnds(state.uploads);
  }
  if (kinds.has("samples")) {
    drawSamples(state.samples, all);
    drawStack(state.samples, all);
  }
  if (kinds.has("queue")) queue.update(state.queue, all);
  if (kinds.has("records")) ledger.update(state.records, all);
  if (kinds.has("faults")) faults.update(state.faults);
  if (kinds.has("functions")) faults.updateFunctions(state.functions);
  if (kinds.has("charges")) header.updateCharges(state.charges);
  if (kinds.has("cloud")) setText(byId("foot"), t("foot", state.cloud));
}

/** Speak the uploads that ended since the last state; the first state is not announced. */
function announceEnds(uploads) {
  const now = new Map(uploads.map((upload) => [upload.id, upload.stage]));
  for (const upload of stages ? uploads : []) {
    if (ENDED.has(upload.stage) && stages.get(upload.id) !== upload.stage) {
      announce(t("stage.announced", { name: upload.name, stage: t(`stage.${upload.stage}`) }));
    }
  }
  stages = now;
}

function sampleCard(sample) {
  const picture = el("img", { src: api.sampleAddress(sample.name), alt: "", loading: "lazy" });
  const caption = el("p", { lang: "zh-CN" }, sample.prompt);
  return { node: el("li", {}, picture, caption), update: () => {} };
}

byId("samples").addEventListener("click", async () => {
  const button = byId("samples");
  if (button.getAttribute("aria-disabled")) return;
  setAttribute(button, "aria-disabled", "true");
  try {
    await api.uploadSamples();
    toast(t("samples.sent"));
  } catch (problem) {
    toast(problem.message);
  } finally {
    setAttribute(button, "aria-disabled", null);
  }
});

beginTexts(() => {
  header.redraw();
  form.redraw();
  if (shown) draw(shown, new Set(Object.keys(shown)), true);
});
header.updateConnection("connecting");
tick();
follow(draw, header.updateConnection);
