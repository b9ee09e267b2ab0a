// The ledger's unfinished records, and the sweep that finishes them.

import { toast } from "./announce.js";
import { sweep } from "./api.js";
import { byId, el, keyed, setAttribute, setText, show } from "./dom.js";
import { number, t, tOr } from "./texts.js";
import { clock, setClock, stopClock } from "./time.js";

const MOST_SHOWN = 12;

export function beginLedger() {
  const nextLabel = el("span");
  const next = clock();
  const lastLabel = el("span");
  const last = clock();
  const lastCounts = el("span");
  byId("sweep-next").append(nextLabel, " ", next);
  byId("sweep-last").append(lastLabel, " ", last, lastCounts);
  const draw = keyed(byId("ledger-records"), (record) => record.id, recordView);
  let running = false;

  byId("sweep").addEventListener("click", async () => {
    if (running) return;
    running = true;
    setAttribute(byId("sweep"), "aria-disabled", "true");
    setText(byId("sweep-problem"), "");
    try {
      const { counts } = await sweep();
      toast(t("sweep.counts", { counts: inWords(counts) }));
    } catch (problem) {
      setText(byId("sweep-problem"), problem.message);
    } finally {
      running = false;
      setAttribute(byId("sweep"), "aria-disabled", null);
    }
  });

  return {
    update(records, all) {
      // A cloud without deployed functions has no sweep.
      const { running: sweeping, next_at: nextAt, last: before } = records.sweep ?? {};
      for (const id of ["sweep-next", "sweep", "sweep-last"]) show(byId(id), records.sweep !== null);
      setText(nextLabel, t(sweeping ? "sweep.running" : "sweep.next"));
      if (sweeping || nextAt === undefined) stopClock(next, "");
      else setClock(next, "in", nextAt);
      setText(lastLabel, before ? t("sweep.last") : t("sweep.never"));
      if (before) setClock(last, "ago", before.at);
      else stopClock(last, "");
      setText(lastCounts, before ? ` · ${inWords(before.counts)}` : "");
      draw(records.pending.slice(0, MOST_SHOWN), all);
      const more = records.pending.length - MOST_SHOWN;
      setText(byId("ledger-more"), more > 0 ? t("queue.more", { n: more }) : "");
      show(byId("ledger-none"), records.pending.length === 0);
    },
  };
}

/** Return the counts of a sweep that are not zero, in words. */
function inWords(counts) {
  const words = Object.entries(counts)
    .filter(([, n]) => n !== 0)
    .map(([name, n]) => tOr(`counts.${name}`, `${name} ${n}`, { n: number(n) }));
  return words.length ? words.join(", ") : t("sweep.nothing");
}

function recordView() {
  const name = el("span", { class: "item-name" });
  const state = el("span", { class: "badge" });
  const label = el("span");
  const due = clock();
  const cause = el("span");
  const reason = el("p", { class: "item-why", lang: "en" });
  const id = el("code");
  return {
    node: el(
      "li", {},
      el("p", { class: "item-head" }, name, state),
      el("p", { class: "hint" }, label, " ", due, cause),
      reason,
      el("p", { class: "hint" }, id),
    ),
    update(record) {
      setText(name, record.key.split("/").at(-1));
      setAttribute(name, "title", record.key);
      setText(state, t(`ledger.${record.parked ?? "held"}`));
      setAttribute(state, "data-tone", { deferred: "wait", in_doubt: "doubt" }[record.parked] ?? "busy");
      setText(label, t(record.parked ? "ledger.due" : "ledger.lease"));
      setClock(due, "in", record.parked ? record.due_at : record.lease_until);
      const words = [tOr(`cause.${record.cause}`, record.cause)].filter(Boolean);
      if (record.attempts) words.push(t("upload.attempts", { n: record.attempts }));
      setText(cause, words.map((word) => ` · ${word}`).join(""));
      setText(reason, record.reason);
      setAttribute(reason, "title", record.reason);
      show(reason, record.reason !== "");
      setText(id, record.id);
    },
  };
}
