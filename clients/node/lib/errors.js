// Errors, each with a one-line message for the user.

/** The program failed. */
export class FailedError extends Error {}

/** An option or argument is wrong. */
export class UsageError extends Error {}

/** The output cannot be written. */
export class OutputError extends Error {}

/** The state is no longer current, and the bus has to be joined again. */
export class StaleError extends Error {}

/** The daemon sent an error reply: `error` is its map of code, message and retryable. */
export class RefusedError extends FailedError {
  constructor(error) {
    super(`${error.code}: ${error.message}`);
    this.error = error;
  }
}
