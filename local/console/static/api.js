// The console's API. An error becomes a Problem whose message is a sentence for the reader.

import { t } from "./texts.js";

/** An error of the server, or its absence; `message` describes it. */
export class Problem extends Error {}

async function request(method, path, body) {
  let response;
  try {
    response = await fetch(path, { method, body });
  } catch {
    throw new Problem(t("gone"));
  }
  if (response.status === 204) return null;
  const document = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Problem(document.detail || document.title || t("problem.status", { status: response.status }));
  }
  return document;
}

/** Upload a picture with prompt, seed, scale and steps, if they are given. */
export function upload(file, instructions) {
  const query = new URLSearchParams({ name: file.name || "picture.png" });
  for (const [name, value] of Object.entries(instructions)) {
    if (value !== "") query.set(name, value);
  }
  return request("POST", `/api/uploads?${query}`, file);
}

export const uploadSamples = () => request("POST", "/api/samples");
export const again = (id) => request("POST", `/api/uploads/${encodeURIComponent(id)}/again`);
export const sweep = () => request("POST", "/api/sweep");
export const kill = (name) => request("POST", `/api/functions/${encodeURIComponent(name)}/kill`);
export const setFaults = (faults) =>
  request("PUT", "/api/faults", new Blob([JSON.stringify(faults)], { type: "application/json" }));
export const resetFaults = () => request("POST", "/api/faults/reset");

/** The address of an upload's picture: `before` or `after`. */
export const pictureAddress = (id, which) => `/api/uploads/${encodeURIComponent(id)}/${which}`;
export const sampleAddress = (name) => `/api/samples/${encodeURIComponent(name)}`;
