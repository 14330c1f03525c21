// Whether the page is on a phone, or as narrow as one; style.css has the same width.

export const NARROW = matchMedia("(max-width: 480px)");
