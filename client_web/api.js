/** The server's HTTP side. Paths are relative, so that the page also works below a prefix. */

import { answerProblem, unreachableProblem } from './problem.js';

/**
 * @typedef {object} Avatar
 * @property {string} id
 * @property {string} name
 * @property {string} [description]
 * @property {boolean} is_shipped comes with the server and cannot be removed
 * @property {string} preview path of the picture
 */

/**
 * @typedef {object} Check one line of the preflight
 * @property {string} name
 * @property {boolean} ok
 * @property {string} message
 * @property {string} advice
 */

/**
 * @typedef {object} Preflight
 * @property {boolean} ok
 * @property {Check[]} checks
 * @property {{left: number, top: number, right: number, bottom: number} | null} crop in pixels of the upright
 *   picture; may reach outside it
 */

/**
 * @typedef {object} Readiness
 * @property {boolean} reachable
 * @property {boolean} ready
 * @property {string} reason why not, for a person; empty when ready
 */

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 * @throws {Problem} nothing answered, or the answer is an error
 */
async function request(path, init) {
  const response = await reach(path, init);
  if (!response.ok) throw await answerProblem(response);
  return response;
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 */
async function reach(path, init) {
  try {
    return await fetch(path, init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw unreachableProblem();
  }
}

/** @returns {Promise<Avatar[]>} */
export async function listAvatars() {
  const body = await (await request('v1/avatars')).json();
  return body.avatars;
}

/**
 * Ask whether a picture would do, without keeping it.
 *
 * @param {Blob} picture
 * @param {AbortSignal} signal
 * @returns {Promise<Preflight>}
 */
export async function preflight(picture, signal) {
  const form = new FormData();
  form.set('image', picture);
  const response = await request('v1/avatars/preflight', { method: 'POST', body: form, signal });
  return response.json();
}

/**
 * @param {Blob} picture
 * @param {string} name
 * @returns {Promise<Avatar>}
 */
export async function addAvatar(picture, name) {
  const form = new FormData();
  form.set('image', picture);
  if (name) form.set('name', name);
  return (await request('v1/avatars', { method: 'POST', body: form })).json();
}

/** @param {string} id */
export async function removeAvatar(id) {
  await request(`v1/avatars/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

/** @returns {Promise<Readiness>} */
export async function readiness() {
  const response = await reach('readyz').catch(() => null);
  if (!response) return { reachable: false, ready: false, reason: unreachableProblem().message };
  /** @type {{checks?: {ok: boolean, message: string}[]}} */
  const body = await response.json().catch(() => ({}));
  const reason = body.checks?.find(({ ok }) => !ok)?.message ?? '';
  return { reachable: true, ready: response.ok, reason };
}

/**
 * Start a call.
 *
 * @param {string} offer SDP
 * @param {Record<string, string>} options avatar, motion, head_speed, expression, blinks, seed, steps
 * @param {AbortSignal} signal
 * @returns {Promise<{answer: string, location: string}>}
 */
export async function createCall(offer, options, signal) {
  const response = await request(`v1/realtime/calls?${new URLSearchParams(options)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: offer,
    signal,
  });
  const location = new URL(response.headers.get('location') ?? '', response.url);
  return { answer: await response.text(), location: location.href };
}

/**
 * End a call. Also works while the page is being closed, and a call that is gone already is no error.
 *
 * @param {string} location
 */
export async function deleteCall(location) {
  await fetch(location, { method: 'DELETE', keepalive: true }).catch(() => null);
}
