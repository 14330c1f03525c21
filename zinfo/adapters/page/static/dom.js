// Small helpers for the DOM. Text from outside is only ever set as text.

export const byId = (id) => document.getElementById(id);

// Returns a new element. `properties` are set as properties (`className`, `title`, `hidden`, ...);
// names with a dash, and `role`, as attributes. Children are elements or texts.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  setAll(made, properties);
  made.append(...children.filter((one) => one !== null && one !== undefined && one !== ""));
  return made;
}

export function setAll(target, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === "role" || name.includes("-")) setAttribute(target, name, value);
    else target[name] = value;
  }
}

// Sets an attribute if it differs: assistive technology is not notified without a reason.
export function setAttribute(target, name, value) {
  if (value === null || value === undefined) {
    if (target.hasAttribute(name)) target.removeAttribute(name);
  } else if (target.getAttribute(name) !== String(value)) target.setAttribute(name, value);
}

// Sets the text of an element if it differs, so that selected text stays selected.
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// Calls `action` at most once per frame, however often the returned function is called.
export function oncePerFrame(action) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      action();
    });
  };
}
