// Break things: the faults of the model and the platform.

import { toast } from "./announce.js";
import * as api from "./api.js";
import { byId, el, setAttribute, setText } from "./dom.js";
import { number, t } from "./texts.js";

const SETTLED_MILLISECONDS = 250;
const UPLOAD_FUNCTION = "repaint-upload";

// A slider at its left end means no fault.
const percent = {
  max: 100,
  step: 1,
  read: (position) => position / 100,
  place: (share) => share * 100,
  text: (share) => (share === 0 ? t("faults.off") : t("faults.percent", { n: number(share * 100, 1) })),
};
const CONTROLS = {
  latency_seconds: {
    max: 40,
    step: 0.1,
    read: (position) => position,
    place: (seconds) => seconds,
    text: (seconds) => t("faults.seconds", { n: number(seconds, 2) }),
  },
  qps: {
    max: 50,
    step: 1,
    read: (position) => position || null,
    place: (limit) => limit ?? 0,
    text: (limit) => (limit ? t("faults.per-second", { n: number(limit, 1) }) : t("faults.off")),
  },
  lose_answer: percent,
  commit_late: percent,
  throttling: percent,
  server_errors: percent,
  duplicates: percent,
};

export function beginFaults() {
  let inForce = null; // the cloud's values
  let wanted = {}; // values that were changed here and are not confirmed yet
  const held = new Set(); // sliders under a finger
  let settling = 0;
  let requests = 0;
  const views = Object.entries(CONTROLS).map(([name, control]) => controlView(name, control));

  function controlView(name, control) {
    const label = el("label", { for: `fault-${name}` });
    const value = el("output", { for: `fault-${name}`, "aria-live": "off" });
    const slider = el("input", { type: "range", id: `fault-${name}`, min: 0, max: control.max, step: control.step, value: 0 });
    slider.addEventListener("pointerdown", () => held.add(name));
    for (const end of ["pointerup", "pointercancel", "blur"]) {
      slider.addEventListener(end, () => {
        held.delete(name);
        draw();
      });
    }
    slider.addEventListener("input", () => {
      wanted = { ...wanted, [name]: control.read(slider.valueAsNumber) };
      draw();
      clearTimeout(settling);
      settling = setTimeout(send, SETTLED_MILLISECONDS);
    });
    byId("fault-controls").append(el("div", { class: "fault" }, label, value, slider));
    return { name, control, label, value, slider };
  }

  function draw() {
    if (!inForce) return;
    const shown = { ...inForce, ...wanted };
    for (const { name, control, label, value, slider } of views) {
      const text = control.text(shown[name]);
      setText(label, t(`faults.${name}`));
      setText(value, text);
      setAttribute(slider, "aria-valuetext", text);
      const position = control.place(shown[name]);
      if (!held.has(name)) slider.value = position;
      slider.style.setProperty("--filled", `${(100 * slider.valueAsNumber) / control.max}%`);
      setAttribute(slider.parentNode, "data-on", name !== "latency_seconds" && position > 0);
    }
  }

  /** Send the wanted values. Only the last response counts: an earlier one is out of date. */
  async function send() {
    const sent = wanted;
    await settle(() => api.setFaults({ ...inForce, ...sent }), sent);
  }

  async function settle(request, sent) {
    const mine = ++requests;
    let problem = "";
    try {
      const response = await request();
      if (mine === requests) inForce = response;
    } catch (error) {
      problem = error.message;
    }
    if (mine !== requests) return;
    // A slider that was moved meanwhile is sent by a request of its own.
    const moved = ([name, value]) => sent[name] !== value;
    wanted = Object.fromEntries(Object.entries(wanted).filter(moved));
    setText(byId("fault-problem"), problem);
    draw();
  }

  byId("reset").addEventListener("click", async () => {
    clearTimeout(settling);
    wanted = {};
    await settle(api.resetFaults, {});
    if (byId("fault-problem").textContent === "") toast(t("faults.were-reset"));
  });

  byId("kill").addEventListener("click", async () => {
    try {
      await api.kill(UPLOAD_FUNCTION);
      toast(t("kill.done"));
    } catch (problem) {
      toast(problem.message);
    }
  });

  return {
    update(faults) {
      inForce = faults;
      draw();
    },
    updateFunctions(functions) {
      const upload = functions.find((each) => each.name === UPLOAD_FUNCTION);
      const { instances = 0, in_flight: flight = 0, kills = 0 } = upload ?? {};
      setText(byId("kill-state"), t("kill.state", { instances, flight, kills }));
    },
  };
}
