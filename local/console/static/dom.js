// Small helpers for the document. Data from outside is only ever inserted as text.

/** Make an element: `el("p", { class: "hint", onclick: f }, "text", child)`. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else setAttribute(node, name, value);
  }
  node.append(...children);
  return node;
}

/** Find an element of index.html by its id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Set an attribute, or remove it for `false`, `null` and `undefined`; only if it differs. */
export function setAttribute(node, name, value) {
  if (value === false || value === null || value === undefined) node.removeAttribute(name);
  else {
    const text = value === true ? "" : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

/** Set the text only if it differs: otherwise a live region speaks, and a selection is lost. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Show an element or hide it. */
export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

/**
 * Return a function that gives `parent` one view for each item, in their order.
 *
 * `make` returns `{ node, update(item) }` for a new item. A view stays as long as its item's key,
 * and is not moved unless the order changed: focus, open details and sliders survive. An item that
 * is the same object as before is not drawn again, unless `all` is set.
 */
export function keyed(parent, keyOf, make) {
  const views = new Map();
  return (items, all = false) => {
    const keys = new Set(items.map(keyOf));
    for (const [key, view] of views) {
      if (!keys.has(key)) {
        view.node.remove();
        views.delete(key);
      }
    }
    let next = parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      let view = views.get(key);
      if (!view) {
        view = make(item);
        views.set(key, view);
      }
      if (view.node === next) next = next.nextElementSibling;
      else parent.insertBefore(view.node, next);
      if (all || view.item !== item) {
        view.item = item;
        view.update(item);
      }
    }
  };
}
