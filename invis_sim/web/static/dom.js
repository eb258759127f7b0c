// Elements from plain data. Every text becomes a text node, so none is ever read as HTML.

const UNPRINTABLE = /[^\P{C}\n]|[^\P{Z} ]/gu;

/** Return the text with characters that cannot be seen, or that change how others are shown,
 * escaped as in JSON strings. Line breaks stay. */
export function printable(text) {
  return text.replace(UNPRINTABLE, (one) =>
    Array.from({ length: one.length }, (_, index) => {
      return `\\u${one.charCodeAt(index).toString(16).padStart(4, "0")}`;
    }).join(""),
  );
}

/** Return a new element. Attributes that begin with "on" are listeners; null and false mean none.
 * Children are elements, texts, null, or lists of these. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  element.append(...asNodes(children));
  return element;
}

function asNodes(children) {
  return children
    .flat(Infinity)
    .filter((one) => one !== null && one !== undefined && one !== false)
    .map((one) => (one instanceof Node ? one : printable(String(one))));
}

/** Set an attribute, or remove it where the value is null or false; true: without a value. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value === true ? "" : value)) {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** Replace the text of an element, if it is another one: screen readers announce changes only. */
export function setText(element, text) {
  const shown = printable(String(text));
  if (element.textContent !== shown) element.textContent = shown;
}

/** Replace the children of an element. */
export function setChildren(element, ...children) {
  element.replaceChildren(...asNodes(children));
}

/** Return the element of the page with this id. */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** Return a function that shows items as children of a container. An item that was there keeps its
 * element, and so the focus and what the user has typed.
 *
 * keyOf: item → what identifies it. create: item → { element, update }, where `update` shows an
 * item of the same key. */
export function keyedList(container, keyOf, create) {
  const shown = new Map();
  return (items) => {
    const wanted = new Set(items.map(keyOf));
    for (const [key, { element }] of shown) {
      if (!wanted.has(key)) {
        element.remove();
        shown.delete(key);
      }
    }
    items.forEach((item, index) => {
      const key = keyOf(item);
      if (!shown.has(key)) shown.set(key, create(item));
      const { element, update } = shown.get(key);
      update(item);
      if (container.children[index] !== element) {
        container.insertBefore(element, container.children[index] ?? null);
      }
    });
  };
}

/** Show or hide an element. */
export function show(element, visible) {
  element.hidden = !visible;
}

/** Give the user a file to save. */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser reads it after the click
}
