// The view of problems, the worst first.

import { element } from "./dom.js";

export function open(container) {
  container.append(element("p", { className: "empty" }, "No problems are known."));
  return { update() {}, close() {} };
}
