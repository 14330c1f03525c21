// Requests to the HTTP API. A request that needs a token waits until one was entered.

// A request failed; `message` says why, in one line.
export class ApiError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status; // of the response; 0 where there was none
  }
}

export class Api {
  // `tokens` has `value`, and `ask(problem)`, which resolves when a token was entered.
  constructor(tokens) {
    this.tokens = tokens;
  }

  // Returns the decoded JSON of a response. `parameters`: pairs of a name and a text.
  async json(path, parameters = [], options = {}) {
    const response = await this.get(path, parameters, options);
    try {
      return await response.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("the response is not valid JSON", response.status);
    }
  }

  // Returns a response whose status is 200. Throws ApiError, or AbortError if `signal` was aborted.
  async get(path, parameters = [], { signal, accept = "application/json" } = {}) {
    for (;;) {
      const token = this.tokens.value;
      const response = await request(path, parameters, { signal, accept, token });
      if (response.status !== 401) {
        if (response.ok) return response;
        throw new ApiError(await errorText(response), response.status);
      }
      const problem = token ? await errorText(response) : "";
      // Another request may have asked in the meantime.
      if (this.tokens.value === token) await this.tokens.ask(problem);
      signal?.throwIfAborted();
    }
  }
}

async function request(path, parameters, { signal, accept, token }) {
  const query = new URLSearchParams(parameters).toString();
  const headers = { Accept: accept };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    return await fetch(query ? `${path}?${query}` : path, { headers, signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(`no answer from ${location.host}`);
  }
}

async function errorText(response) {
  try {
    const { error } = await response.json();
    return String(error.message);
  } catch {
    return `${location.host} answers: ${response.status} ${response.statusText}`.trim();
  }
}
