/** The person's voice: opening it, hearing how loud it is, choosing where it comes from. */

import { insecurePageProblem, microphoneProblem } from './problem.js';

/** Levels between these two, in dB below full scale, fill the meter. */
const FLOOR_DB = -60;
const CEILING_DB = -12;

/**
 * @param {string} deviceId empty for the system's default
 * @returns {Promise<MediaStream>}
 * @throws {import('./problem.js').Problem}
 */
export async function openMicrophone(deviceId) {
  if (!navigator.mediaDevices) throw insecurePageProblem();
  /** @type {MediaTrackConstraints} */
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  if (deviceId) audio.deviceId = { exact: deviceId };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (cause) {
    throw microphoneProblem(cause);
  }
}

/** @param {MediaStream} stream */
export function closeMicrophone(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/**
 * Browsers name the devices only once a microphone was allowed; before that the list is empty.
 *
 * @returns {Promise<{id: string, label: string}[]>}
 */
export async function listMicrophones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter(({ kind, deviceId, label }) => kind === 'audioinput' && deviceId && label)
    .map(({ deviceId, label }) => ({ id: deviceId, label }));
}

/** Reports how loud a stream is, once per animation frame, until it is closed. */
export class Meter {
  /**
   * @param {MediaStream} stream
   * @param {(level: number) => void} onLevel 0 is silence, 1 is as loud as speech should get
   */
  constructor(stream, onLevel) {
    this._onLevel = onLevel;
    this._context = new AudioContext();
    this._analyser = this._context.createAnalyser();
    this._analyser.fftSize = 1_024;
    this._context.createMediaStreamSource(stream).connect(this._analyser);
    this._samples = new Float32Array(this._analyser.fftSize);
    this._frame = requestAnimationFrame(() => this._measure());
  }

  close() {
    cancelAnimationFrame(this._frame);
    void this._context.close();
    this._onLevel(0);
  }

  _measure() {
    this._analyser.getFloatTimeDomainData(this._samples);
    this._onLevel(loudness(this._samples));
    this._frame = requestAnimationFrame(() => this._measure());
  }
}

/**
 * @param {Float32Array} samples in [-1, 1]
 * @returns {number} 0 to 1, even steps in dB
 */
export function loudness(samples) {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  const db = 10 * Math.log10(power + 1e-12);
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / (CEILING_DB - FLOOR_DB)));
}
