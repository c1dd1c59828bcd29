/** What the browser measured on the way: two looks at getStats, turned into figures. Pure but for `look`. */

/**
 * @typedef {object} Look
 * @property {number} atMs
 * @property {number} framesDecoded
 * @property {number} freezes
 * @property {number} bytes picture and voice
 * @property {number} packetsLost
 * @property {number} heldS sum over frames of the time each waited in the jitter buffer
 * @property {number} heldFrames
 * @property {number | null} roundTripMs
 */

/**
 * @typedef {object} Figures
 * @property {number} fps
 * @property {number} kbps
 * @property {number} freezes since the connection opened
 * @property {number} packetsLost since the connection opened
 * @property {number} jitterBufferMs
 * @property {number | null} roundTripMs
 */

/**
 * @param {RTCPeerConnection} peer
 * @returns {Promise<Look>}
 */
export async function look(peer) {
  return read(await peer.getStats());
}

/**
 * @param {{forEach(visit: (entry: any) => void): void}} report
 * @returns {Look}
 */
export function read(report) {
  /** @type {Look} */
  const seen = {
    atMs: 0, framesDecoded: 0, freezes: 0, bytes: 0, packetsLost: 0, heldS: 0, heldFrames: 0, roundTripMs: null,
  };
  report.forEach((entry) => {
    if (entry.type === 'inbound-rtp') {
      seen.atMs = entry.timestamp;
      seen.bytes += entry.bytesReceived ?? 0;
      seen.packetsLost += entry.packetsLost ?? 0;
    }
    if (entry.type === 'inbound-rtp' && entry.kind === 'video') {
      seen.framesDecoded = entry.framesDecoded ?? 0;
      seen.freezes = entry.freezeCount ?? 0;
      seen.heldS = entry.jitterBufferDelay ?? 0;
      seen.heldFrames = entry.jitterBufferEmittedCount ?? 0;
    }
    if (entry.type === 'candidate-pair' && entry.nominated && entry.currentRoundTripTime !== undefined) {
      seen.roundTripMs = entry.currentRoundTripTime * 1_000;
    }
  });
  return seen;
}

/**
 * @param {Look} before
 * @param {Look} after
 * @returns {Figures | null} null when no time passed between the two
 */
export function compare(before, after) {
  const seconds = (after.atMs - before.atMs) / 1_000;
  if (seconds <= 0) return null;
  const heldFrames = after.heldFrames - before.heldFrames;
  return {
    fps: (after.framesDecoded - before.framesDecoded) / seconds,
    kbps: ((after.bytes - before.bytes) * 8) / 1_000 / seconds,
    freezes: after.freezes,
    packetsLost: after.packetsLost,
    jitterBufferMs: heldFrames > 0 ? ((after.heldS - before.heldS) * 1_000) / heldFrames : 0,
    roundTripMs: after.roundTripMs,
  };
}

/**
 * From the mouth of the person to the lips on the screen: the server's part, the way there and back, and the wait
 * in the browser.
 *
 * @param {number} serverMs
 * @param {Figures} figures
 */
export function totalDelayMs(serverMs, figures) {
  return serverMs + (figures.roundTripMs ?? 0) + figures.jitterBufferMs;
}
