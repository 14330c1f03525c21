// Decodes server-sent events from a stream of bytes:
// https://html.spec.whatwg.org/multipage/server-sent-events.html. EventSource cannot send a token.

const MAX_CHARACTERS = 64 << 20; // of a message: 5,000 shards with 64 fields take less

// Yields `{event, data}` for each message. `onBytes` is called for all that arrives, comments too.
export async function* readEvents(body, onBytes = () => {}) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const pieces = []; // of a line whose end has not arrived
  let [size, event, data] = [0, "message", []];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes();
      const lines = decoder.decode(value, { stream: true }).split("\n");
      for (const [at, piece] of lines.entries()) {
        pieces.push(piece);
        size += piece.length;
        if (size > MAX_CHARACTERS) throw new Error("a message of the server is too long");
        if (at === lines.length - 1) break;
        const line = pieces.join("").replace(/\r$/, "");
        pieces.length = 0;
        if (line === "") {
          if (data.length) yield { event, data: data.join("\n") };
          [size, event, data] = [0, "message", []];
        } else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
        else if (line.startsWith("event:")) event = line.slice(6).trim();
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
