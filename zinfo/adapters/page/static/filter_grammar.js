// The grammar of filters; makes the same trees as zinfo/views/filter_grammar.py:
//
//   ["and", NODE, ...]  ["or", NODE, ...]  ["not", NODE]  ["text", TEXT]
//   ["compare", NAME, SIGN, VALUE]      SIGN is = != < > <= or >=

export const MAX_LENGTH = 2000;
const MAX_WORDS = 200;
const MAX_DEPTH = 20;
const SPACES = " \t\r\n\f\v\u00a0";
const NEGATES = "! needs a word to negate, as in !down";

// A filter is invalid; the message says why, in one line.
export class FilterError extends Error {}

// Returns the tree of a filter.
export function parse(text) {
  if ([...text].length > MAX_LENGTH) throw new FilterError(`a filter has at most ${MAX_LENGTH} characters`);
  const tokens = [];
  for (const token of tokensOf(text)) {
    tokens.push(token);
    if (tokens.length > MAX_WORDS) throw new FilterError(`a filter has at most ${MAX_WORDS} words`);
  }
  return tokens.length ? new Parser(tokens).alternatives(0) : ["and"];
}

function* tokensOf(text) {
  let [at, depth] = [0, 0];
  while (at < text.length) {
    if (SPACES.includes(text[at])) {
      at += 1;
      continue;
    }
    const begin = at;
    while (text[at] === "!") at += 1;
    const nots = at - begin;
    if (text[at] === "(") {
      depth += 1;
      yield { kind: "(", nots };
      at += 1;
    } else if (text[at] === ")") {
      if (nots) throw new FilterError(NEGATES);
      if (!depth) throw new FilterError("a ( is missing before )");
      depth -= 1;
      yield { kind: ")", nots: 0 };
      at += 1;
    } else {
      const [token, next] = word(text, at, nots, depth ? ")" : "");
      yield token;
      at = next;
    }
  }
}

// Returns the word at a position, and the position after it.
function word(text, begin, nots, closing) {
  let [at, value, name, sign, quoted] = [begin, "", "", "", false];
  while (at < text.length && !SPACES.includes(text[at]) && text[at] !== closing) {
    const here = sign ? "" : signAt(text, at);
    if (text[at] === '"') {
      const end = text.indexOf('"', at + 1);
      if (end < 0) throw new FilterError('a " is missing: put a word with spaces between two of them');
      value += text.slice(at + 1, end);
      [at, quoted] = [end + 1, true];
    } else if (here) {
      [name, sign, value, quoted] = [value, here, "", false];
      at += here.length;
    } else {
      value += text[at];
      at += 1;
    }
  }
  const whole = text.slice(begin, at);
  if (sign) {
    if (!name) throw new FilterError(`${whole}: the name before the sign is missing, as in site=fra or ops>100`);
    if (!value && !quoted) throw new FilterError(`${whole}: the value after ${sign} is missing`);
    return [{ kind: "compare", nots, name, sign, value }, at];
  }
  if (!value && !quoted) throw new FilterError(NEGATES);
  const lower = whole.toLowerCase();
  if (!nots && (lower === "and" || lower === "or")) return [{ kind: lower, nots: 0 }, at];
  return [{ kind: "word", nots, value }, at];
}

function signAt(text, at) {
  const two = text.slice(at, at + 2);
  if (two === "!=" || two === ">=" || two === "<=") return two;
  return "=<>".includes(text[at]) ? text[at] : "";
}

class Parser {
  constructor(tokens) {
    this.tokens = tokens;
    this.at = 0;
  }

  next() {
    return this.tokens[this.at]?.kind ?? "";
  }

  // Words with `or` between them, up to a closing parenthesis or the end.
  alternatives(depth) {
    const found = [this.words(depth)];
    while (this.next() === "or") {
      this.at += 1;
      found.push(this.words(depth));
    }
    return found.length === 1 ? found[0] : ["or", ...found];
  }

  // Words that must all match; `and` between two of them is optional.
  words(depth) {
    const found = [];
    while (!["", ")", "or"].includes(this.next())) {
      if (this.next() === "and") {
        this.at += 1;
        if (!found.length || ["", ")", "or", "and"].includes(this.next())) {
          throw new FilterError("and needs a word on either side; in quotes it is a text");
        }
      }
      found.push(this.term(depth));
    }
    if (!found.length) {
      const or = this.next() === "or" || this.tokens[this.at - 1]?.kind === "or";
      throw new FilterError(
        or ? "or needs a word on either side; in quotes it is a text" : "there is nothing between ( and )",
      );
    }
    return found.length === 1 ? found[0] : ["and", ...found];
  }

  term(depth) {
    const token = this.tokens[this.at];
    this.at += 1;
    let node = ["text", token.value];
    if (token.kind === "(") {
      if (depth === MAX_DEPTH) throw new FilterError(`parentheses are nested more than ${MAX_DEPTH} deep`);
      node = this.alternatives(depth + 1);
      if (this.next() !== ")") throw new FilterError("a ) is missing");
      this.at += 1;
    } else if (token.kind === "compare") node = ["compare", token.name, token.sign, token.value];
    return token.nots % 2 ? ["not", node] : node;
  }
}
