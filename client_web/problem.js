/** Everything that can stop a call, as one kind of error that already carries words for a person. */

/** Codes of answers that another try, by itself, may cure. */
const PASSING = new Set([0, 429, 500, 502, 503, 504]);

/** A failure with a title, what to do about it, and whether trying again makes sense. */
export class Problem extends Error {
  /**
   * @param {string} code stable word, for programs
   * @param {string} title what went wrong, one short sentence
   * @param {string} advice what to do about it
   * @param {{retryable?: boolean, retryAfterS?: number, status?: number}} [facts]
   */
  constructor(code, title, advice, facts = {}) {
    super(title);
    this.name = 'Problem';
    this.code = code;
    this.advice = advice;
    this.retryable = facts.retryable ?? false;
    this.retryAfterS = facts.retryAfterS ?? 0;
    this.status = facts.status ?? 0;
  }
}

/** What a microphone error of the browser means, by its standard name. */
const MICROPHONE = /** @type {Record<string, [string, string, string]>} */ ({
  NotAllowedError: [
    'microphone_refused',
    'The browser was not allowed to use the microphone.',
    'Allow it in the site settings beside the address, then try again.',
  ],
  NotFoundError: [
    'microphone_missing',
    'No microphone was found.',
    'Plug one in or switch it on, then try again.',
  ],
  OverconstrainedError: [
    'microphone_gone',
    'That microphone is no longer there.',
    'Choose another one from the list.',
  ],
  NotReadableError: [
    'microphone_busy',
    'The microphone is in use or does not answer.',
    'Close other programs that use it, then try again.',
  ],
});

/**
 * @param {unknown} cause what getUserMedia threw
 * @returns {Problem}
 */
export function microphoneProblem(cause) {
  const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
  const [code, title, advice] = MICROPHONE[name] ?? [
    'microphone_failed',
    'The microphone could not be opened.',
    'Check it in the system settings, then try again.',
  ];
  return new Problem(code, title, advice, { retryable: true });
}

/** The microphone went away while it was in use. */
export function unpluggedProblem() {
  return new Problem(
    'microphone_unplugged',
    'The microphone was disconnected.',
    'The portrait no longer hears you. Choose another one, or plug it in and choose it again.',
  );
}

/** The page was opened over plain http from another machine, where browsers hide the microphone. */
export function insecurePageProblem() {
  return new Problem(
    'insecure_page',
    'This address may not use the microphone.',
    'Browsers allow it only over https, or on this computer at http://127.0.0.1.',
  );
}

/** The request did not reach the server. */
export function unreachableProblem() {
  return new Problem(
    'server_unreachable',
    'The server does not answer.',
    'Check that it runs and that you are online. We keep looking for it.',
    { retryable: true },
  );
}

/** Signalling worked, and yet no media path opened or the one we had broke. */
export function connectionProblem() {
  return new Problem(
    'connection_failed',
    'The connection for sound and picture failed.',
    'A firewall may block UDP between you and the server. Try again, or another network.',
    { retryable: true },
  );
}

/** Titles of the answers a person can do something about; others keep the server's own words. */
const ANSWERS = /** @type {Record<string, [string, string]>} */ ({
  at_capacity: [
    'Every place on this server is taken.',
    'Somebody else is talking. We try again as soon as the server says so.',
  ],
  engine_unavailable: ['The model is still warming up.', 'It takes a few seconds. We start when it is ready.'],
  rate_limited: ['That was many calls in a short time.', 'Wait a moment, then try again.'],
});

/**
 * Read an RFC 9457 problem document, or make do without one.
 *
 * @param {Response} response an answer that is not ok
 * @returns {Promise<Problem>}
 */
export async function answerProblem(response) {
  const type = response.headers.get('content-type') ?? '';
  const body = type.includes('json') ? await response.json().catch(() => ({})) : {};
  const code = String(body.code ?? `http_${response.status}`);
  const [title, advice] = ANSWERS[code] ?? [
    String(body.title ?? 'The server refused.'),
    [body.detail, body.advice].filter(Boolean).join(' ') || `It answered with status ${response.status}.`,
  ];
  return new Problem(code, title, advice, {
    retryable: PASSING.has(response.status),
    retryAfterS: Number(response.headers.get('retry-after')) || 0,
    status: response.status,
  });
}
