// What can go wrong, each in one line for people.

/** The program cannot do what it was asked. */
export class FailedError extends Error {}

/** What the user said cannot be right. */
export class UsageError extends Error {}

/** What is to be printed cannot be. */
export class OutputError extends Error {}

/** What came so far cannot be relied on any more, and the connection has to be made anew. */
export class LostError extends Error {}

/** The daemon said why it does not answer: `error` is its map of code, message and retryable. */
export class RefusedError extends FailedError {
  constructor(error) {
    super(`${error.code}: ${error.message}`);
    this.error = error;
  }
}
