/** How the portrait moves: the choices below "Fine tuning". They are sent when a call starts. */

import { byId } from './dom.js';

const KEY = 'emolive.tuning';

/** What a slider's number means to a person. */
const WORDS = /** @type {Record<string, (value: number) => string>} */ ({
  motion: percent,
  head_speed: percent,
  expression: percent,
  blinks: (value) => `${value} a minute`,
});

/** Remembers what differs from the page's own values, so that these may change later for everybody else. */
export class Tuning {
  constructor() {
    this._inputs = ['motion', 'head_speed', 'expression', 'blinks', 'seed'].map((id) => byId(id, HTMLInputElement));
    const kept = remembered();
    for (const input of this._inputs) {
      set(input, kept[input.id] ?? input.defaultValue);
      input.addEventListener('input', () => this._changed(input));
    }
    byId('tuning-reset', HTMLButtonElement).addEventListener('click', () => this._reset());
  }

  /** @returns {Record<string, string>} by the names `createCall` knows */
  get options() {
    return Object.fromEntries(this._inputs.map((input) => [input.id, input.value || input.defaultValue]));
  }

  _reset() {
    for (const input of this._inputs) set(input, input.defaultValue);
    remember({});
  }

  /** @param {HTMLInputElement} input */
  _changed(input) {
    show(input);
    const changed = this._inputs.filter(({ value, defaultValue }) => value !== defaultValue);
    remember(Object.fromEntries(changed.map(({ id, value }) => [id, value])));
  }
}

/**
 * @param {HTMLInputElement} input
 * @param {string} value one that the input would not take, left by an older page, becomes its default
 */
function set(input, value) {
  input.value = value;
  const isTaken = value && input.value === value && input.validity.valid;
  if (!isTaken) input.value = input.defaultValue;
  show(input);
}

/** @param {HTMLInputElement} input */
function show(input) {
  const words = WORDS[input.id]?.(input.valueAsNumber);
  if (!words) return;
  byId(`${input.id}-value`, HTMLOutputElement).value = words;
  input.setAttribute('aria-valuetext', words);
}

/** @param {number} share */
function percent(share) {
  return `${Math.round(share * 100)} %`;
}

/** @returns {Record<string, string>} */
function remembered() {
  try {
    return Object(JSON.parse(localStorage.getItem(KEY) ?? '{}'));
  } catch {
    return {}; // Storage may be blocked, or hold what we did not write; the defaults will do.
  }
}

/** @param {Record<string, string>} values by input */
function remember(values) {
  try {
    localStorage.setItem(KEY, JSON.stringify(values));
  } catch {
    // As above.
  }
}
