/** What stands in the frame and around it: the portrait, the words, the state of the call. */

import { byId } from './dom.js';

/** @typedef {import('./api.js').Avatar} Avatar */
/** @typedef {import('./problem.js').Problem} Problem */

/** @typedef {'wait' | 'ready' | 'live' | 'problem'} Tone */

/** Shows what it is told; decides nothing. */
export class Stage {
  constructor() {
    this._section = byId('stage', HTMLElement);
    this._still = byId('still', HTMLImageElement);
    this._video = byId('video', HTMLVideoElement);
    this._empty = byId('empty', HTMLDivElement);
    this._waiting = byId('waiting', HTMLDivElement);
    this._waitingText = byId('waiting-text', HTMLParagraphElement);
    this._progress = byId('waiting-progress', HTMLProgressElement);
    this._unblock = byId('unblock', HTMLButtonElement);
    this._status = byId('status', HTMLParagraphElement);
    this._statusText = byId('status-text', HTMLSpanElement);
    this._notice = byId('notice', HTMLDivElement);
    this._action = byId('notice-action', HTMLButtonElement);
    this._unblock.addEventListener('click', () => void this._play());
    byId('notice-close', HTMLButtonElement).addEventListener('click', () => this.forgive());
    // The still portrait stays until there is a moving one to take its place.
    this._video.addEventListener('playing', () => this._section.classList.add('has-video'));
  }

  /** @param {Avatar | null} avatar */
  hang(avatar) {
    this._still.hidden = !avatar;
    this._empty.hidden = Boolean(avatar);
    if (avatar) this._still.src = avatar.preview;
    this._still.alt = avatar ? `Portrait: ${avatar.name}` : '';
    byId('name', HTMLParagraphElement).textContent = avatar?.name ?? '\u00a0';
    byId('about', HTMLParagraphElement).textContent = avatar?.description ?? '';
  }

  /** @param {MediaStream} stream */
  attach(stream) {
    this._video.srcObject = stream;
    void this._play();
  }

  detach() {
    this._section.classList.remove('has-video');
    this._video.srcObject = null;
    this._unblock.hidden = true;
  }

  /** @param {boolean} isSilent */
  silence(isSilent) {
    this._video.muted = isSilent;
  }

  /**
   * @param {Tone} tone
   * @param {string} text announced by screen readers, so only when it changed
   */
  say(tone, text) {
    this._status.dataset.tone = tone;
    if (this._statusText.textContent !== text) this._statusText.textContent = text;
  }

  /** @param {string} state for the style sheet: idle, connecting, live, reconnecting */
  become(state) {
    this._section.dataset.state = state;
  }

  /**
   * Cover the picture with a spinner, or uncover it.
   *
   * @param {string} text empty to uncover
   * @param {boolean} [hasProgress]
   */
  wait(text, hasProgress = false) {
    this._waiting.hidden = !text;
    this._waitingText.textContent = text;
    this._progress.hidden = !hasProgress;
  }

  /** @param {number} level of the person's voice, 0 to 1: the frame glows with it */
  glow(level) {
    this._section.style.setProperty('--voice', level.toFixed(3));
  }

  /**
   * @param {Problem} problem
   * @param {{label: string, act: () => void} | null} [action]
   */
  complain(problem, action = null) {
    byId('notice-title', HTMLParagraphElement).textContent = problem.message;
    byId('notice-advice', HTMLParagraphElement).textContent = problem.advice;
    this._notice.dataset.code = problem.code;
    this._notice.hidden = false;
    this._action.hidden = !action;
    this._action.textContent = action?.label ?? '';
    this._action.onclick = action && (() => action.act());
  }

  forgive() {
    this._notice.hidden = true;
  }

  async _play() {
    this._unblock.hidden = true;
    try {
      await this._video.play();
    } catch (cause) {
      // Anything else (the stream went away meanwhile) needs no word from the person.
      if (cause instanceof DOMException && cause.name === 'NotAllowedError') this._unblock.hidden = false;
    }
  }
}
