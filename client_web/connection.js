/** One WebRTC connection to the server: microphone up, portrait and voice down, events beside them. */

import { createCall, deleteCall } from './api.js';
import { Problem, connectionProblem } from './problem.js';

/** The server sends figures every second; this long without a message means that it is gone. */
const SILENCE_MS = 6_000;
const GATHER_MS = 2_000;
const OPEN_MS = 12_000;

/**
 * @typedef {{type: string} & Record<string, any>} ServerEvent a JSON message of the data channel
 */

/**
 * @typedef {object} ConnectionHandlers
 * @property {(event: ServerEvent) => void} onEvent
 * @property {(problem: Problem) => void} onLost called once at most, never before `open` resolved
 */

/** Opens once, closes once. Whatever ends it, the server's place is given back. */
export class Connection {
  /**
   * @param {MediaStreamTrack} microphone
   * @param {Record<string, string>} options of the call, see `createCall`
   * @param {ConnectionHandlers} handlers
   */
  constructor(microphone, options, handlers) {
    this.peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    /** Both remote tracks, in one stream, so that the browser keeps lips and voice together. */
    this.stream = new MediaStream();
    this._options = options;
    this._handlers = handlers;
    this._abort = new AbortController();
    this._location = '';
    this._watchdog = 0;
    this._isLive = false;
    this._microphone = this.peer.addTransceiver(microphone, { direction: 'sendrecv' });
    this.peer.addTransceiver('video', { direction: 'recvonly' });
    this._events = this.peer.createDataChannel('avatar-events');
  }

  /**
   * Negotiate and wait until media can flow.
   *
   * @throws {Problem}
   */
  async open() {
    this.peer.ontrack = ({ track }) => this.stream.addTrack(track);
    this._events.onmessage = ({ data }) => this._receive(data);
    try {
      await this.peer.setLocalDescription();
      await gathered(this.peer);
      const offer = this.peer.localDescription?.sdp ?? '';
      const { answer, location } = await createCall(offer, this._options, this._abort.signal);
      this._location = location;
      // Closed while the server was thinking: it holds a place for a call nobody wants any more.
      if (this._abort.signal.aborted) throw new DOMException('closed', 'AbortError');
      await this.peer.setRemoteDescription({ type: 'answer', sdp: answer });
      await this._opened();
    } catch (cause) {
      void this.close();
      throw cause instanceof Problem || isAbort(cause) ? cause : connectionProblem();
    }
    this._watch();
  }

  /** @param {{type: string}} message */
  send(message) {
    if (this._events.readyState === 'open') this._events.send(JSON.stringify(message));
  }

  /** @param {MediaStreamTrack} microphone */
  async replaceMicrophone(microphone) {
    await this._microphone.sender.replaceTrack(microphone);
  }

  /** @returns {Promise<void>} resolved when the server has heard of it; everything here ends at once */
  async close() {
    this._isLive = false;
    clearTimeout(this._watchdog);
    this._abort.abort();
    this.peer.onconnectionstatechange = null;
    this._events.onclose = null;
    this._events.onmessage = null;
    const location = this._location;
    this._location = '';
    const farewell = location && deleteCall(location);
    this.peer.close();
    await farewell;
  }

  /** @returns {Promise<void>} */
  _opened() {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(connectionProblem()), OPEN_MS);
      const look = () => {
        if (this.peer.connectionState === 'failed') reject(connectionProblem());
        if (this.peer.connectionState !== 'connected') return;
        clearTimeout(late);
        resolve();
      };
      const giveUp = () => reject(new DOMException('closed', 'AbortError'));
      this._abort.signal.addEventListener('abort', giveUp, { once: true });
      this.peer.onconnectionstatechange = look;
      look();
    });
  }

  _watch() {
    this._isLive = true;
    this.peer.onconnectionstatechange = () => {
      // "disconnected" may pass; the silence that follows decides.
      if (this.peer.connectionState === 'failed') this._lose();
    };
    this._events.onclose = () => this._lose();
    this._expectMessage();
  }

  _expectMessage() {
    clearTimeout(this._watchdog);
    this._watchdog = window.setTimeout(() => this._lose(), SILENCE_MS);
  }

  /** @param {string} text */
  _receive(text) {
    if (this._isLive) this._expectMessage();
    this._handlers.onEvent(JSON.parse(text));
  }

  _lose() {
    if (!this._isLive) return;
    void this.close();
    this._handlers.onLost(connectionProblem());
  }
}

/** @param {unknown} cause */
export function isAbort(cause) {
  return cause instanceof DOMException && cause.name === 'AbortError';
}

/**
 * All candidates travel in the offer (the server takes no trickle), yet one silent network must not hold it.
 *
 * @param {RTCPeerConnection} peer
 * @returns {Promise<void>}
 */
function gathered(peer) {
  return new Promise((resolve) => {
    setTimeout(resolve, GATHER_MS);
    const look = () => peer.iceGatheringState === 'complete' && resolve();
    peer.addEventListener('icegatheringstatechange', look);
    look();
  });
}
