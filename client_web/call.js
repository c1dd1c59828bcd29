/** A call as a person means it: it survives lost connections until it is stopped. No DOM in here. */

import { Connection, isAbort } from './connection.js';
import { Problem } from './problem.js';

/** Pauses before each new try, in seconds; after the last one the call has failed. */
export const BACK_OFF_S = [0.5, 1, 2, 4, 8, 8];
/** A connection that lived this long was a good one: the pauses start over. */
const GOOD_MS = 10_000;

/** @typedef {import('./connection.js').ServerEvent} ServerEvent */

/**
 * @typedef {{name: 'idle'}
 *   | {name: 'connecting'}
 *   | {name: 'live'}
 *   | {name: 'reconnecting', attempt: number, attempts: number, waitS: number, problem: Problem}
 *   | {name: 'failed', problem: Problem}} CallState
 */

/**
 * @typedef {object} CallHandlers
 * @property {(state: CallState) => void} onState
 * @property {(stream: MediaStream) => void} onStream a new connection's picture and voice
 * @property {(event: ServerEvent) => void} onEvent
 */

/** Holds at most one connection. `start` and `stop` may be called in any order and any number of times. */
export class Call {
  /** @param {CallHandlers} handlers */
  constructor(handlers) {
    /** @type {CallState} */
    this.state = { name: 'idle' };
    this._handlers = handlers;
    /** @type {Connection | null} */
    this._connection = null;
    /** @type {MediaStreamTrack | null} */
    this._microphone = null;
    /** @type {Record<string, string>} */
    this._options = {};
    /** Counts starts and stops: a try that finds it changed belongs to the past. @type {number} */
    this._era = 0;
    this._failures = 0;
    this._liveSinceMs = 0;
    /** @type {() => void} */
    this._wake = () => {};
  }

  /** @returns {RTCPeerConnection | null} the live one, for statistics */
  get peer() {
    return this.state.name === 'live' ? (this._connection?.peer ?? null) : null;
  }

  /**
   * @param {MediaStreamTrack} microphone
   * @param {Record<string, string>} options avatar, motion, head_speed, expression, blinks, seed
   */
  async start(microphone, options) {
    const farewell = this._drop();
    const era = this._era;
    this._microphone = microphone;
    this._options = options;
    this._failures = 0;
    this._become({ name: 'connecting' });
    // Our own last call must not be what makes the server full.
    await farewell;
    await this._try(era);
  }

  stop() {
    void this._drop();
    this._become({ name: 'idle' });
  }

  /** Skip the pause before the next try. */
  hurry() {
    this._wake();
  }

  /** Everything said so far and not yet shown is forgotten. */
  interrupt() {
    this._connection?.send({ type: 'avatar.interrupt' });
  }

  /** @param {MediaStreamTrack} microphone */
  async replaceMicrophone(microphone) {
    this._microphone = microphone;
    await this._connection?.replaceMicrophone(microphone);
  }

  /** @returns {Promise<void>} resolved when the server has let go of the old connection, if there was one */
  async _drop() {
    const connection = this._connection;
    this._era += 1;
    this._connection = null;
    this._wake();
    await connection?.close();
  }

  /** @param {CallState} state */
  _become(state) {
    this.state = state;
    this._handlers.onState(state);
  }

  /** @param {number} era */
  async _try(era) {
    if (era !== this._era || !this._microphone) return;
    const connection = new Connection(this._microphone, this._options, {
      onEvent: (event) => era === this._era && this._hear(event),
      onLost: (problem) => era === this._era && this._lose(era, problem),
    });
    this._connection = connection;
    try {
      await connection.open();
    } catch (cause) {
      if (era !== this._era || isAbort(cause)) return;
      await this._retry(era, /** @type {Problem} */ (cause));
      return;
    }
    if (era !== this._era) return;
    this._liveSinceMs = performance.now();
    this._handlers.onStream(connection.stream);
    this._become({ name: 'live' });
  }

  /** @param {ServerEvent} event */
  _hear(event) {
    this._handlers.onEvent(event);
    if (event.type !== 'session.ended') return;
    void this._connection?.close();
    this._lose(this._era, endProblem(String(event.reason)));
  }

  /**
   * @param {number} era
   * @param {Problem} problem
   */
  _lose(era, problem) {
    if (performance.now() - this._liveSinceMs > GOOD_MS) this._failures = 0;
    void this._retry(era, problem);
  }

  /** @param {Problem} problem */
  _fail(problem) {
    void this._drop();
    this._become({ name: 'failed', problem });
  }

  /**
   * @param {number} era
   * @param {Problem} problem
   */
  async _retry(era, problem) {
    const pause = BACK_OFF_S[this._failures];
    if (!problem.retryable || pause === undefined) {
      this._fail(problem);
      return;
    }
    this._failures += 1;
    const waitS = Math.max(pause, problem.retryAfterS);
    const [attempt, attempts] = [this._failures, BACK_OFF_S.length];
    this._become({ name: 'reconnecting', attempt, attempts, waitS, problem });
    await this._rest(waitS);
    await this._try(era);
  }

  /**
   * @param {number} seconds
   * @returns {Promise<void>} resolved early by `hurry`, and when the network comes back
   */
  _rest(seconds) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        removeEventListener('online', done);
        resolve();
      };
      const timer = setTimeout(done, seconds * 1_000);
      addEventListener('online', done);
      this._wake = done;
    });
  }
}

/** What the server's word for an end means; with true, calling again by ourselves is what the person wants. */
const ENDS = /** @type {Record<string, [string, string, boolean]>} */ ({
  idle: ['The call ended because nobody spoke.', 'Start again whenever you like.', false],
  max_duration: ['The call reached its longest time.', 'Start again to go on.', false],
  deleted: ['The call was ended by whoever runs this server.', 'Start again whenever you like.', false],
  draining: ['The server is shutting down.', 'We look whether it comes back.', true],
});

/**
 * @param {string} reason
 * @returns {Problem}
 */
function endProblem(reason) {
  const [title, advice, retryable] = ENDS[reason] ?? ['The server lost the call.', 'We start a new one.', true];
  return new Problem(`ended_${reason}`, title, advice, { retryable });
}
