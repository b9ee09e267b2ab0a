// Why an upload did not succeed, in the reader's language. The cloud's own text stands below it.

import { tOr } from "./texts.js";

const CODE = /\b[56]\d{4}\b/;

/** Explain an upload's reason; empty if there is none. */
export function why(upload) {
  if (upload.reason === "") return "";
  // The model's code comes first; without a call, such a number is part of the user's input.
  const code = upload.attempts.length ? CODE.exec(upload.reason)?.[0] : null;
  const bare = upload.reason.startsWith("There is no prompt") ? "no-prompt" : null;
  const names = [code, bare, upload.cause, upload.stage].filter(Boolean);
  return names.reduceRight((otherwise, name) => tOr(`why.${name}`, otherwise), "");
}
