// The platform's event queue.

import { byId, el, keyed, setAttribute, setText, show } from "./dom.js";
import { number, t } from "./texts.js";
import { clock, setClock, stopClock } from "./time.js";

const LISTS = ["in_flight", "waiting", "delayed", "dropped"];
const COUNTS = ["waiting", "in_flight", "delayed", "dropped", "done"];
const MOST_SHOWN = 6;

export function beginQueue() {
  const counts = COUNTS.map((name) => {
    const label = el("dt");
    const value = el("dd");
    byId("queue-counts").append(el("div", { "data-count": name }, label, value));
    return { name, label, value };
  });
  const lists = LISTS.map((name) => {
    const title = el("h3");
    const items = el("ul", { class: "items" });
    const more = el("p", { class: "hint" });
    const node = el("div", { class: "item-group", "data-list": name, hidden: true }, title, items, more);
    byId("queue-lists").append(node);
    return { name, node, title, more, draw: keyed(items, (item) => item.id, () => itemView(name)) };
  });

  return {
    update(queue, all) {
      for (const { name, label, value } of counts) {
        const n = name === "done" ? queue.done : queue[name].length;
        setText(label, t(`queue.${name}`));
        setText(value, number(n));
        setAttribute(value.parentNode, "data-some", n > 0);
      }
      for (const { name, node, title, more, draw } of lists) {
        const items = queue[name];
        show(node, items.length > 0);
        setText(title, t(`queue.${name}`));
        draw(items.slice(0, MOST_SHOWN).map((item) => ({ ...item, most: queue.max_retries })), all);
        setText(more, items.length > MOST_SHOWN ? t("queue.more", { n: items.length - MOST_SHOWN }) : "");
      }
    },
  };
}

function itemView(list) {
  const name = el("span", { class: "item-name" });
  const tries = el("span");
  const due = clock();
  const why = el("p", { class: "item-why", lang: "en" });
  const node = el("li", {}, el("p", { class: "item-head" }, name, due), el("p", { class: "hint" }, tries), why);
  return {
    node,
    update(item) {
      setText(name, nameOf(item));
      setAttribute(name, "title", item.key);
      const retried = item.attempt - 1;
      const words = [retried > 0 ? t("queue.retry", { n: retried, most: item.most }) : t("queue.first")];
      if (item.is_copy) words.push(t("queue.copy"));
      setText(tries, words.join(" · "));
      if (list === "delayed") setClock(due, "in", item.due_at);
      else if (list === "dropped") stopClock(due, "");
      else setClock(due, "elapsed", item.enqueued_at);
      setText(why, item.dropped_because || item.last_error || "");
      setAttribute(why, "title", why.textContent);
      show(why, why.textContent !== "");
    },
  };
}

/** Return the object's name; an event without an object has its function's. */
function nameOf(item) {
  return item.key ? item.key.split("/").at(-1) : item.function;
}
