/** The microphone panel: which one, how loud, and the one open stream behind both. */

import { byId, isPressed, make, press } from './dom.js';
import { Meter, closeMicrophone, listMicrophones, openMicrophone } from './microphone.js';
import { unpluggedProblem } from './problem.js';

/** How often a screen reader's meter changes; the eye gets every frame. */
const ARIA_MS = 500;

/**
 * @typedef {object} VoiceHandlers
 * @property {(level: number) => void} onLevel
 * @property {(track: MediaStreamTrack) => void} onSwitch another microphone took over while one was open
 * @property {(problem: unknown) => void} onProblem
 */

/** Open between `open` and `close`; the browser's microphone light is on exactly that long. */
export class Voice {
  /** @param {VoiceHandlers} handlers */
  constructor(handlers) {
    this._handlers = handlers;
    this._select = byId('microphone', HTMLSelectElement);
    this._check = byId('check', HTMLButtonElement);
    this._level = byId('level', HTMLDivElement);
    /** @type {MediaStream | null} */
    this._stream = null;
    /** @type {Meter | null} */
    this._meter = null;
    this._isMuted = false;
    this._announcedMs = 0;
    this._select.addEventListener('change', () => void this._switch());
    this._check.addEventListener('click', () => void this._toggleCheck());
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.list());
  }

  /** Fill the list, keeping the choice where it still exists. */
  async list() {
    const chosen = this._select.value;
    const options = (await listMicrophones()).map(({ id, label }) => make('option', { value: id, textContent: label }));
    if (!options.some(({ value }) => value === 'default')) {
      options.unshift(make('option', { value: '', textContent: 'Default microphone' }));
    }
    this._select.replaceChildren(...options);
    if (options.some(({ value }) => value === chosen)) this._select.value = chosen;
  }

  /**
   * @returns {Promise<MediaStreamTrack>}
   * @throws {import('./problem.js').Problem}
   */
  async open() {
    const stream = this._stream ?? (await openMicrophone(this._select.value));
    if (this._stream !== stream) this._adopt(stream);
    press(this._check, true);
    return /** @type {MediaStreamTrack} */ (stream.getAudioTracks()[0]);
  }

  close() {
    this._meter?.close();
    if (this._stream) closeMicrophone(this._stream);
    this._meter = this._stream = null;
    this._isMuted = false;
    press(this._check, false);
    this._check.disabled = false;
  }

  /** During a call the check button has nothing to say: the meter runs anyway. */
  keepOpen() {
    this._check.disabled = true;
  }

  /** @param {boolean} isMuted */
  mute(isMuted) {
    this._isMuted = isMuted;
    for (const track of this._stream?.getAudioTracks() ?? []) track.enabled = !isMuted;
  }

  /** @param {MediaStream} stream */
  _adopt(stream) {
    this._meter?.close();
    if (this._stream) closeMicrophone(this._stream);
    this._stream = stream;
    this._meter = new Meter(stream, (level) => this._show(level));
    // Fires when the device goes away, not when we let go of it.
    for (const track of stream.getTracks()) track.onended = () => this._handlers.onProblem(unpluggedProblem());
    this.mute(this._isMuted);
    void this.list();
  }

  async _switch() {
    if (!this._stream) return;
    try {
      this._adopt(await openMicrophone(this._select.value));
      this._handlers.onSwitch(await this.open());
    } catch (problem) {
      this._handlers.onProblem(problem);
    }
  }

  async _toggleCheck() {
    if (isPressed(this._check)) {
      this.close();
      return;
    }
    try {
      await this.open();
    } catch (problem) {
      this._handlers.onProblem(problem);
    }
  }

  /** @param {number} level */
  _show(level) {
    this._level.style.setProperty('--level', level.toFixed(3));
    this._handlers.onLevel(level);
    const nowMs = performance.now();
    if (nowMs - this._announcedMs < ARIA_MS) return;
    this._announcedMs = nowMs;
    this._level.setAttribute('aria-valuenow', String(Math.round(level * 100)));
  }
}
