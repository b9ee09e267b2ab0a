// The console's API. A refusal becomes a Problem whose message is a sentence for people.

import { t } from "./texts.js";

/** What the server refused, or that it is not there: `message` says it in words. */
export class Problem extends Error {}

async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, { method, body });
  } catch {
    throw new Problem(t("gone"));
  }
  if (answer.status === 204) return null;
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new Problem(document.detail || document.title || t("problem.status", { status: answer.status }));
  }
  return document;
}

/** Upload a picture, with what is set of prompt, seed, scale and steps. */
export function upload(file, instructions) {
  const query = new URLSearchParams({ name: file.name || "picture.png" });
  for (const [name, value] of Object.entries(instructions)) {
    if (value !== "") query.set(name, value);
  }
  return ask("POST", `/api/uploads?${query}`, file);
}

export const uploadSamples = () => ask("POST", "/api/samples");
export const again = (id) => ask("POST", `/api/uploads/${encodeURIComponent(id)}/again`);
export const sweep = () => ask("POST", "/api/sweep");
export const kill = (name) => ask("POST", `/api/functions/${encodeURIComponent(name)}/kill`);
export const setFaults = (faults) =>
  ask("PUT", "/api/faults", new Blob([JSON.stringify(faults)], { type: "application/json" }));
export const resetFaults = () => ask("POST", "/api/faults/reset");

/** The address of an upload's picture: `before` or `after`. */
export const pictureAddress = (id, which) => `/api/uploads/${encodeURIComponent(id)}/${which}`;
export const sampleAddress = (name) => `/api/samples/${encodeURIComponent(name)}`;
