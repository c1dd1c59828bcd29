/** Delay and frame rate at a glance, everything else for whoever opens the list. */

import { byId, make } from './dom.js';
import { compare, look, totalDelayMs } from './stats.js';

/** @typedef {import('./stats.js').Look} Look */
/** @typedef {import('./stats.js').Figures} BrowserFigures */

const PERIOD_MS = 1_000;
/** Above these a person notices; the gauge changes its colour and says so in a word. */
const GOOD_DELAY_MS = 700;
const GOOD_FPS = 23;

/** Watches one peer connection at a time. */
export class Figures {
  constructor() {
    this._fps = byId('fps', HTMLSpanElement);
    this._delay = byId('delay', HTMLSpanElement);
    this._list = byId('figures-list', HTMLDListElement);
    this._empty = byId('figures-empty', HTMLParagraphElement);
    this._timer = 0;
    /** @type {Look | null} */
    this._before = null;
    /** @type {Record<string, any>} the server's latest avatar.stats */
    this._server = {};
  }

  /** @param {RTCPeerConnection} peer */
  watch(peer) {
    this.clear();
    this._timer = window.setInterval(() => void this._sample(peer), PERIOD_MS);
    void this._sample(peer);
  }

  clear() {
    clearInterval(this._timer);
    this._before = null;
    this._server = {};
    this._fps.textContent = this._delay.textContent = '–';
    tone('gauge-fps', 'none');
    tone('gauge-delay', 'none');
    this._list.replaceChildren();
    this._empty.hidden = false;
  }

  /** @param {Record<string, any>} stats an `avatar.stats` event */
  hear(stats) {
    this._server = stats;
  }

  /** @param {RTCPeerConnection} peer */
  async _sample(peer) {
    const now = await look(peer);
    const before = this._before;
    this._before = now;
    const figures = before && compare(before, now);
    if (figures) this._show(figures);
  }

  /** @param {BrowserFigures} figures */
  _show(figures) {
    this._fps.textContent = figures.fps.toFixed(0);
    tone('gauge-fps', figures.fps >= GOOD_FPS ? 'good' : 'poor');
    const lips = this._server.mic_to_lips_ms ?? {};
    const delayMs = typeof lips.p50 === 'number' ? totalDelayMs(lips.p50, figures) : null;
    this._delay.textContent = delayMs === null ? '–' : delayMs.toFixed(0);
    tone('gauge-delay', delayMs === null ? 'none' : delayMs <= GOOD_DELAY_MS ? 'good' : 'poor');
    this._empty.hidden = true;
    this._list.replaceChildren(...this._lines(figures, lips).map(([term, text]) => line(term, text)));
  }

  /**
   * @param {BrowserFigures} figures
   * @param {{p50?: number, p95?: number}} lips
   * @returns {[string, string][]}
   */
  _lines(figures, lips) {
    const server = this._server;
    return [
      ['Microphone to lips, usual', milliseconds(lips.p50)],
      ['Microphone to lips, slowest 5 %', milliseconds(lips.p95)],
      ['Lips against voice', milliseconds(server.av_skew_ms)],
      ['Way there and back', milliseconds(figures.roundTripMs)],
      ['Wait in the browser', milliseconds(figures.jitterBufferMs)],
      ['Frames rendered', perSecond(server.fps)],
      ['Frames late / dropped', `${count(server.late_frames)} / ${count(server.dropped_frames)}`],
      ['Freezes', count(figures.freezes)],
      ['Packets lost', count(figures.packetsLost)],
      ['Received', `${figures.kbps.toFixed(0)} kbit/s`],
      ['Steps per frame', count(server.steps)],
    ];
  }
}

/**
 * @param {string} id
 * @param {'none' | 'good' | 'poor'} value
 */
function tone(id, value) {
  byId(id, HTMLDivElement).dataset.tone = value;
}

/**
 * @param {string} term
 * @param {string} text
 */
function line(term, text) {
  return make('div', {}, make('dt', { textContent: term }), make('dd', { textContent: text }));
}

/** @param {unknown} value */
function milliseconds(value) {
  return typeof value === 'number' ? `${value.toFixed(0)} ms` : '–';
}

/** @param {unknown} value */
function perSecond(value) {
  return typeof value === 'number' ? `${value.toFixed(1)} /s` : '–';
}

/** @param {unknown} value */
function count(value) {
  return typeof value === 'number' ? String(value) : '–';
}
