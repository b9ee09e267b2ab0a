// The form: pictures that are dropped, chosen or pasted, and their prompt.

import { toast } from "./announce.js";
import { upload } from "./api.js";
import { byId, el, keyed, setAttribute, setText, show } from "./dom.js";
import { t } from "./texts.js";

const SETTINGS = ["prompt", "seed", "scale", "steps"];
const THUMBNAIL = 88; // pixels, twice what is shown

export function beginForm() {
  let staged = []; // { file, number }
  let numbers = 0;
  let sending = false;
  const input = byId("files");
  const drawStaged = keyed(byId("staged"), (item) => item.number, (item) => thumbnail(item, remove));

  function draw(all = false) {
    drawStaged(staged, all);
    show(byId("staged"), staged.length > 0);
    const bare = staged.length > 0 && byId("prompt").value.trim() === "";
    setText(byId("prompt-hint"), bare ? t("form.no-prompt") : "");
    setText(byId("submit"), t(sending ? "form.sending" : "form.submit"));
    setAttribute(byId("submit"), "aria-disabled", sending ? "true" : null);
  }

  function add(files) {
    const problems = [];
    for (const file of files) {
      if (file.type === "" || file.type.startsWith("image/")) staged.push({ file, number: numbers++ });
      else problems.push(t("form.not-picture", { name: file.name }));
    }
    setText(byId("form-problem"), problems.join(" "));
    draw();
  }

  function remove(item) {
    staged = staged.filter((other) => other !== item);
    draw();
    // The pressed button is gone: the focus goes to the input.
    input.focus();
  }

  async function send(event) {
    event.preventDefault();
    if (sending) return;
    if (staged.length === 0) {
      setText(byId("form-problem"), t("form.no-picture"));
      input.focus();
      return;
    }
    sending = true;
    setText(byId("form-problem"), "");
    draw();
    const instructions = Object.fromEntries(SETTINGS.map((name) => [name, byId(name).value.trim()]));
    const problems = [];
    let sent = 0;
    for (const item of [...staged]) {
      try {
        await upload(item.file, instructions);
        sent += 1;
        staged = staged.filter((other) => other !== item);
      } catch (problem) {
        problems.push(`${item.file.name}: ${problem.message}`);
      }
      draw();
    }
    sending = false;
    setText(byId("form-problem"), problems.join(" "));
    if (sent) toast(t("form.sent", { n: sent }));
    draw();
  }

  byId("form").addEventListener("submit", send);
  byId("prompt").addEventListener("input", () => draw());
  input.addEventListener("change", () => {
    add(input.files);
    // Then choosing the same file again is a change.
    input.value = "";
  });
  document.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files ?? [];
    if (files.length === 0) return;
    event.preventDefault();
    add(files);
  });
  acceptDrops(byId("drop"), (files) => {
    add(files);
    if (byId("prompt").value === "") byId("prompt").focus();
  });

  return { redraw: () => draw(true) };
}

/** Accept files that are dropped anywhere: the browser would leave the page to show them. */
function acceptDrops(zone, take) {
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    zone.classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragenter", (event) => carriesFiles(event) && mark(1));
  document.addEventListener("dragleave", (event) => carriesFiles(event) && mark(-1));
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    take(event.dataTransfer.files);
  });
}

/** A picture that will be uploaded. Drawn on a canvas: the page's policy allows no blob address. */
function thumbnail(item, remove) {
  const canvas = el("canvas", { width: THUMBNAIL, height: THUMBNAIL, "aria-hidden": "true" });
  const button = el("button", { type: "button", class: "remove", onclick: () => remove(item) }, "×");
  paint(item.file, canvas);
  return {
    node: el("li", {}, canvas, el("span", { class: "staged-name" }, item.file.name), button),
    update: () => setAttribute(button, "aria-label", t("form.remove", { name: item.file.name })),
  };
}

async function paint(file, canvas) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    return; // The browser cannot read it: its name stands alone.
  }
  const side = Math.min(picture.width, picture.height);
  const [left, top] = [(picture.width - side) / 2, (picture.height - side) / 2];
  canvas.getContext("2d").drawImage(picture, left, top, side, side, 0, 0, THUMBNAIL, THUMBNAIL);
  picture.close();
}
