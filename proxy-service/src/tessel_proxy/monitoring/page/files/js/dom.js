/** Builds elements. Text becomes text nodes only: nothing that a device sent is parsed as HTML. */

/**
 * Return a new element.
 *
 * @param {string} what  a tag with classes, such as "span.muted"
 * @param {Object<string, *>} properties  attributes; `on` maps event names to listeners; a value of
 *   null or false leaves the attribute out, and true makes it empty
 * @param {...(Node|string|number|null)} children  null is left out
 */
export function h(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...children.filter((child) => child !== null).map(asNode));
  return element;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

function set(element, name, value) {
  if (name === "on") {
    for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  } else if (value !== null && value !== false) {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** Change an element's text, if it differs: equal text costs no layout and no announcement. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set or remove an attribute; null removes it. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export const byId = (id) => document.getElementById(id);

/** Return a `dl` of terms and values; a value may be a node; null leaves the pair out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null);
  return h("dl.facts", {}, ...shown.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
}

/**
 * Make an element's content equal to these nodes, and keep the elements that can stay: so a focused
 * link keeps the focus when the numbers around it change. Listeners of new elements are not taken.
 */
export function morph(parent, ...nodes) {
  nodes.forEach((node, at) => {
    const old = parent.childNodes[at];
    if (old === undefined) parent.append(node);
    else if (!isAlike(old, node)) old.replaceWith(node);
    else if (node.nodeType === Node.TEXT_NODE) setData(old, node.data);
    else {
      for (const name of new Set([...old.getAttributeNames(), ...node.getAttributeNames()])) setAttribute(old, name, node.getAttribute(name));
      morph(old, ...node.childNodes);
    }
  });
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
}

const isAlike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName;

function setData(text, data) {
  if (text.data !== data) text.data = data;
}
