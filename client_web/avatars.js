/** The wall of portraits: which there are, which one is chosen, and taking one's own down again. */

import { addAvatar, listAvatars, removeAvatar } from './api.js';
import { byId, make } from './dom.js';

/** @typedef {import('./api.js').Avatar} Avatar */

const KEY = 'emolive.avatar';

/** A group of radio buttons, so that arrow keys, labels and screen readers work by themselves. */
export class Avatars {
  /** @param {(avatar: Avatar | null) => void} onChoose */
  constructor(onChoose) {
    this._onChoose = onChoose;
    this._list = byId('portraits', HTMLDivElement);
    this._empty = byId('portraits-empty', HTMLParagraphElement);
    /** @type {Avatar[]} */
    this._avatars = [];
    /** @type {Avatar | null} */
    this.chosen = null;
  }

  /** @param {string | null} preferred id to choose, where it exists */
  async load(preferred = null) {
    this._avatars = await listAvatars();
    this._list.setAttribute('aria-busy', 'false');
    this._list.replaceChildren(...this._avatars.map((avatar) => this._card(avatar)));
    this._empty.hidden = this._avatars.length > 0;
    const wanted = preferred ?? remembered();
    this._choose(this._avatars.find(({ id }) => id === wanted) ?? this._avatars[0] ?? null);
  }

  /**
   * @param {Blob} picture
   * @param {string} name
   */
  async add(picture, name) {
    const { id } = await addAvatar(picture, name);
    await this.load(id);
    this._list.querySelector('input:checked')?.scrollIntoView({ block: 'nearest' });
  }

  async removeChosen() {
    if (!this.chosen) return;
    await removeAvatar(this.chosen.id);
    await this.load();
  }

  /** @param {Avatar | null} avatar */
  _choose(avatar) {
    this.chosen = avatar;
    for (const input of this._list.querySelectorAll('input')) input.checked = input.value === avatar?.id;
    if (avatar) remember(avatar.id);
    this._onChoose(avatar);
  }

  /** @param {Avatar} avatar */
  _card(avatar) {
    const input = make('input', { type: 'radio', name: 'portrait', value: avatar.id, className: 'unseen' });
    input.addEventListener('change', () => this._choose(avatar));
    const picture = make('img', { src: avatar.preview, alt: '', loading: 'lazy', width: 96, height: 96 });
    const name = make('span', { className: 'card-name', textContent: avatar.name });
    return make('label', { className: 'card', title: avatar.name }, input, picture, name);
  }
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // Storage may be blocked; the first portrait will do.
  }
}

/** @param {string} id */
function remember(id) {
  try {
    localStorage.setItem(KEY, id);
  } catch {
    // As above.
  }
}
