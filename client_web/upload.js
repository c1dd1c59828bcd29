/** The dialog that adds a portrait: choose, see the crop and the reasons, keep it. */

import { preflight } from './api.js';
import { isAbort } from './connection.js';
import { byId, icon, make } from './dom.js';
import { Problem } from './problem.js';

/** @typedef {import('./api.js').Check} Check */
/** @typedef {import('./api.js').Preflight} Preflight */

const TYPES = ['image/png', 'image/jpeg', 'image/webp'];
const LIMIT_BYTES = 10 * 1024 * 1024;
const PREVIEW_PX = 640;

/** Shows one picture at a time; choosing another one forgets the answer that was on its way. */
export class Upload {
  /** @param {(picture: Blob, name: string) => Promise<void>} onUse */
  constructor(onUse) {
    this._onUse = onUse;
    this._dialog = byId('upload', HTMLDialogElement);
    this._file = byId('file', HTMLInputElement);
    this._fileLabel = byId('file-label', HTMLSpanElement);
    this._name = byId('upload-name', HTMLInputElement);
    this._status = byId('upload-status', HTMLParagraphElement);
    this._checks = byId('checks', HTMLUListElement);
    this._use = byId('upload-use', HTMLButtonElement);
    this._canvas = byId('preview', HTMLCanvasElement);
    this._empty = byId('drop-empty', HTMLDivElement);
    /** @type {Blob | null} */
    this._picture = null;
    this._abort = new AbortController();
    this._listen();
  }

  open() {
    this._forget();
    this._dialog.showModal();
  }

  _listen() {
    const drop = byId('drop', HTMLDivElement);
    this._file.addEventListener('change', () => this._take(this._file.files?.[0]));
    drop.addEventListener('dragover', (event) => event.preventDefault());
    drop.addEventListener('drop', (event) => {
      event.preventDefault();
      void this._take(event.dataTransfer?.files[0]);
    });
    this._dialog.addEventListener('paste', (event) => void this._take(event.clipboardData?.files[0]));
    this._dialog.addEventListener('close', () => this._abort.abort());
    byId('upload-cancel', HTMLButtonElement).addEventListener('click', () => this._dialog.close());
    byId('upload-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this._keep();
    });
  }

  _forget() {
    this._abort.abort();
    this._picture = null;
    this._file.value = '';
    this._name.value = '';
    this._fileLabel.textContent = 'Choose a picture';
    this._status.textContent = '';
    this._checks.replaceChildren();
    this._use.disabled = true;
    this._canvas.hidden = true;
    this._empty.hidden = false;
  }

  /** @param {File | undefined} file */
  async _take(file) {
    if (!file) return;
    this._forget();
    this._fileLabel.textContent = 'Choose another';
    this._name.value = file.name.replace(/\.[^.]*$/, '').slice(0, 80);
    const refusal = refuse(file);
    if (refusal) {
      this._show([refusal]);
      return;
    }
    this._abort = new AbortController();
    const { signal } = this._abort;
    this._status.textContent = 'Looking at the picture…';
    const [image, answer] = await Promise.all([decode(file), inspect(file, signal)]);
    if (signal.aborted || !answer) return;
    if (image) this._draw(image, answer.crop);
    this._show(answer.checks);
    this._picture = answer.ok ? file : null;
    this._use.disabled = !answer.ok;
    this._status.textContent = answer.ok ? 'This picture works.' : 'This picture does not work.';
  }

  async _keep() {
    if (!this._picture) return;
    this._use.disabled = true;
    this._status.textContent = 'Keeping it…';
    try {
      await this._onUse(this._picture, this._name.value.trim());
      this._dialog.close();
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      this._status.textContent = '';
      this._use.disabled = false;
      this._show([{ name: cause.code, ok: false, message: cause.message, advice: cause.advice }]);
    }
  }

  /** @param {Check[]} checks */
  _show(checks) {
    this._checks.replaceChildren(
      ...checks.map(({ ok, message, advice }) => {
        const verdict = make('span', { className: 'unseen', textContent: ok ? 'Passed: ' : 'Failed: ' });
        const line = make('li', { className: ok ? 'check-yes' : 'check-no' }, icon(ok ? 'yes' : 'close'));
        line.append(make('span', {}, verdict, message, ...(ok || !advice ? [] : [make('em', {}, advice)])));
        return line;
      }),
    );
  }

  /**
   * The whole picture with everything outside the crop dimmed. The crop may reach beyond the picture.
   *
   * @param {ImageBitmap} image
   * @param {Preflight['crop']} crop
   */
  _draw(image, crop) {
    const box = crop ?? { left: 0, top: 0, right: image.width, bottom: image.height };
    const [left, top] = [Math.min(0, box.left), Math.min(0, box.top)];
    const width = Math.max(image.width, box.right) - left;
    const height = Math.max(image.height, box.bottom) - top;
    const scale = PREVIEW_PX / Math.max(width, height);
    Object.assign(this._canvas, { width: width * scale, height: height * scale });
    const pen = this._canvas.getContext('2d');
    if (!pen) return;
    pen.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
    pen.drawImage(image, 0, 0);
    if (crop) {
      const inside = new Path2D();
      inside.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
      const outside = new Path2D(inside);
      outside.rect(left, top, width, height);
      pen.fillStyle = 'rgb(0 0 0 / 60%)';
      pen.fill(outside, 'evenodd');
      pen.strokeStyle = '#fff';
      pen.lineWidth = 5 / scale;
      pen.stroke(inside);
    }
    this._canvas.hidden = false;
    this._empty.hidden = true;
  }
}

/**
 * What can be said without asking the server.
 *
 * @param {File} file
 * @returns {Check | null}
 */
function refuse(file) {
  if (!TYPES.includes(file.type)) {
    const advice = 'Save it as PNG, JPEG or WebP first.';
    return { name: 'format', ok: false, message: 'This is not a picture we can read.', advice };
  }
  if (file.size > LIMIT_BYTES) {
    const advice = 'Make it smaller: a side of 1,000 pixels is plenty.';
    return { name: 'size', ok: false, message: 'The file is larger than 10 MB.', advice };
  }
  return null;
}

/**
 * @param {Blob} file
 * @returns {Promise<ImageBitmap | null>} null when the browser cannot read it; the server will say why
 */
function decode(file) {
  return createImageBitmap(file).catch(() => null);
}

/**
 * @param {Blob} file
 * @param {AbortSignal} signal
 * @returns {Promise<Preflight | null>} null when another picture was chosen meanwhile
 */
async function inspect(file, signal) {
  try {
    return await preflight(file, signal);
  } catch (cause) {
    if (isAbort(cause)) return null;
    if (!(cause instanceof Problem)) throw cause;
    const check = { name: cause.code, ok: false, message: cause.message, advice: cause.advice };
    return { ok: false, checks: [check], crop: null };
  }
}
