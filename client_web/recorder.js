/** Records what the portrait says into a file, in the browser; nothing is sent anywhere. */

/** Best first: mp4 opens everywhere, webm is what the others write. */
const TYPES = [
  'video/mp4;codecs=avc1.42E01F,mp4a.40.2',
  'video/webm;codecs=vp8,opus',
  'video/webm',
  'video/mp4',
];

/** @returns {string} a type this browser can write, or '' when it cannot record */
export function recordingType() {
  if (typeof MediaRecorder === 'undefined') return '';
  return TYPES.find((type) => MediaRecorder.isTypeSupported(type)) ?? '';
}

/** One recording: begins at construction, `finish` gives the file. */
export class Recording {
  /** @param {MediaStream} stream */
  constructor(stream) {
    /** @type {Blob[]} */
    this._parts = [];
    this._startedMs = performance.now();
    this._recorder = new MediaRecorder(stream, { mimeType: recordingType() });
    this._recorder.ondataavailable = ({ data }) => this._parts.push(data);
    // One-second parts: a crash of the encoder costs the last second, not the recording.
    this._recorder.start(1_000);
    /** @type {Promise<void>} */
    this._stopped = new Promise((resolve) => {
      this._recorder.onstop = () => resolve();
      this._recorder.onerror = () => resolve();
    });
  }

  get seconds() {
    return (performance.now() - this._startedMs) / 1_000;
  }

  /** @returns {Promise<File>} */
  async finish() {
    if (this._recorder.state !== 'inactive') this._recorder.stop();
    await this._stopped;
    const type = this._recorder.mimeType.split(';')[0] ?? '';
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
    return new File(this._parts, `emolive-${stamp}.${type.endsWith('mp4') ? 'mp4' : 'webm'}`, { type });
  }
}

/** @param {File} file */
export function download(file) {
  const url = URL.createObjectURL(file);
  const link = Object.assign(document.createElement('a'), { href: url, download: file.name });
  link.click();
  // The browser reads the blob after this turn of the event loop; a minute is plenty.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** @param {number} seconds */
export function clockText(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
