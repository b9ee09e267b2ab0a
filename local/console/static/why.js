// Why an upload came no further, in the reader's language. The cloud's own words stand below it.

import { tOr } from "./texts.js";

const CODE = /\b[56]\d{4}\b/;

/** Say what an upload's reason means; empty where there is nothing to explain. */
export function why(upload) {
  if (upload.reason === "") return "";
  // What the model said comes first; without a call, such a number is a part of what was asked.
  const code = upload.attempts.length ? CODE.exec(upload.reason)?.[0] : null;
  const bare = upload.reason.startsWith("There is no prompt") ? "no-prompt" : null;
  const names = [code, bare, upload.cause, upload.stage].filter(Boolean);
  return names.reduceRight((otherwise, name) => tOr(`why.${name}`, otherwise), "");
}
