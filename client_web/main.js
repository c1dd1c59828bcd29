/** Puts the parts together: the only file that knows them all. */

import { readiness } from './api.js';
import { Avatars } from './avatars.js';
import { Call } from './call.js';
import { byId, isPressed, press } from './dom.js';
import { Figures } from './figures.js';
import { Problem, unreachableProblem } from './problem.js';
import { Recording, clockText, download, recordingType } from './recorder.js';
import { Stage } from './stage.js';
import { startTheme } from './theme.js';
import { Tuning } from './tuning.js';
import { Upload } from './upload.js';
import { Voice } from './voice.js';

/** @typedef {import('./call.js').CallState} CallState */
/** @typedef {import('./connection.js').ServerEvent} ServerEvent */

const LOOK_OFTEN_MS = 1_000;
const LOOK_SELDOM_MS = 5_000;
const CONFIRM_MS = 2_000;

/** What the portrait is doing, in the status line. */
const DOING = /** @type {Record<string, string>} */ ({
  idle: 'Live: say something',
  listening: 'Live: listening',
  talking: 'Live: talking',
});

/** What the next try hopes for, by the code of the problem; anything else is a connection to find again. */
const WAITING = /** @type {Record<string, string>} */ ({
  at_capacity: 'Waiting for a place',
  engine_unavailable: 'Waiting for the model',
});

class Page {
  constructor() {
    this._talk = byId('talk', HTMLButtonElement);
    this._mute = byId('mute', HTMLButtonElement);
    this._silence = byId('silence', HTMLButtonElement);
    this._interrupt = byId('interrupt', HTMLButtonElement);
    this._record = byId('record', HTMLButtonElement);
    this._tuning = new Tuning();
    this._stage = new Stage();
    this._figures = new Figures();
    this._avatars = new Avatars(() => this._chosen());
    this._upload = new Upload((picture, name) => this._avatars.add(picture, name));
    this._voice = new Voice({
      onLevel: (level) => this._stage.glow(level),
      onSwitch: (track) => void this._call.replaceMicrophone(track),
      onProblem: (problem) => this._complain(problem),
    });
    this._call = new Call({
      onState: (state) => this._follow(state),
      onStream: (stream) => this._stage.attach(stream),
      onEvent: (event) => this._hear(event),
    });
    /** @type {Recording | null} */
    this._recording = null;
    this._recordingTimer = 0;
    this._isReady = false;
    this._isLoaded = false;
    this._isReachable = true;
    this._isAsking = false;
    this._doing = 'idle';
    this._confirming = 0;
    this._listen();
  }

  async run() {
    await this._voice.list();
    for (;;) {
      await this._lookAtServer();
      const isCalm = this._isReady && this._isLoaded;
      await new Promise((resolve) => setTimeout(resolve, isCalm ? LOOK_SELDOM_MS : LOOK_OFTEN_MS));
    }
  }

  _listen() {
    this._talk.addEventListener('click', () => void (this._isIdle() ? this._start() : this._stop()));
    this._mute.addEventListener('click', () => this._voice.mute(flip(this._mute)));
    this._silence.addEventListener('click', () => this._stage.silence(flip(this._silence)));
    this._interrupt.addEventListener('click', () => this._call.interrupt());
    this._record.addEventListener('click', () => void (this._recording ? this._keep() : this._roll()));
    byId('add', HTMLButtonElement).addEventListener('click', () => this._upload.open());
    byId('remove', HTMLButtonElement).addEventListener('click', () => void this._remove());
    // A page kept in the back-forward cache would hold its place on the server: end the call in time.
    addEventListener('pagehide', () => this._isIdle() || this._stop());
  }

  /** Is it there, is it warm, and have we read the portraits yet? */
  async _lookAtServer() {
    const { ready, reachable, reason } = await readiness();
    this._isReady = ready;
    if (this._isIdle() && reachable !== this._isReachable) {
      if (reachable) this._stage.forgive();
      else this._stage.complain(unreachableProblem());
    }
    this._isReachable = reachable;
    if (reachable && !this._isLoaded) await this._load();
    if (!this._isIdle() || this._isAsking) return;
    this._offer();
    if (!reachable) this._stage.say('problem', 'The server does not answer');
    else if (!ready) this._stage.say('wait', 'Warming up');
    else this._stage.say('ready', 'Ready');
    this._stage.wait(ready || !reachable ? '' : reason || 'Warming up…', reachable && !ready);
  }

  async _load() {
    try {
      await this._avatars.load(new URLSearchParams(location.search).get('avatar'));
      this._isLoaded = true;
    } catch (problem) {
      this._complain(problem);
    }
  }

  _isIdle() {
    return this._call.state.name === 'idle' || this._call.state.name === 'failed';
  }

  _offer() {
    this._talk.disabled = this._isIdle() && !(this._isReady && this._avatars.chosen);
  }

  _chosen() {
    const avatar = this._avatars.chosen;
    const remove = byId('remove', HTMLButtonElement);
    remove.hidden = !avatar || avatar.is_shipped;
    remove.setAttribute('aria-label', `Remove ${avatar?.name ?? 'the portrait'}`);
    this._stage.hang(avatar);
    this._offer();
    if (!this._isIdle()) void this._start();
  }

  async _remove() {
    const name = this._avatars.chosen?.name ?? '';
    if (!confirm(`Remove “${name}” from this server?`)) return;
    await this._avatars.removeChosen().catch((problem) => this._complain(problem));
  }

  async _start() {
    const avatar = this._avatars.chosen;
    if (!avatar || this._isAsking) return;
    this._stage.forgive();
    try {
      const track = await this._ask();
      await this._call.start(track, { avatar: avatar.id, ...this._tuning.options });
    } catch (problem) {
      this._complain(problem);
    }
  }

  /** While the browser asks for the microphone, nothing else may change what the page says. */
  async _ask() {
    this._isAsking = true;
    if (this._isIdle()) this._stage.say('wait', 'Waiting for the microphone');
    try {
      return await this._voice.open();
    } finally {
      this._isAsking = false;
      if (this._isIdle()) this._stage.say('ready', 'Ready');
    }
  }

  _stop() {
    this._call.stop();
  }

  /** @param {CallState} state */
  _follow(state) {
    const isLive = state.name === 'live';
    this._stage.become(state.name);
    for (const button of [this._mute, this._silence, this._interrupt]) button.disabled = !isLive;
    this._record.disabled = !isLive || !recordingType();
    if (!isLive) {
      this._figures.clear();
      this._stage.detach();
      if (this._recording) void this._keep();
    }
    if (state.name === 'connecting') {
      this._stage.say('wait', 'Connecting');
      this._stage.wait('Connecting…');
    } else if (state.name === 'live') {
      this._stage.forgive();
      this._tell((this._doing = 'idle'));
      this._stage.wait('');
      if (this._call.peer) this._figures.watch(this._call.peer);
    } else if (state.name === 'reconnecting') {
      const waiting = WAITING[state.problem.code] ?? 'Reconnecting';
      this._stage.say('wait', `${waiting} ${state.attempt}/${state.attempts}`);
      this._stage.wait(`${waiting}…`);
      this._stage.complain(state.problem, { label: 'Try now', act: () => this._call.hurry() });
    } else {
      this._rest(state.name === 'failed' ? state.problem : null);
    }
    this._face();
  }

  /** @param {Problem | null} problem */
  _rest(problem) {
    this._voice.close();
    press(this._mute, false);
    this._stage.wait('');
    this._stage.say(problem ? 'problem' : 'ready', problem ? 'The call ended' : 'Ready');
    if (problem) this._complain(problem);
    else this._stage.forgive();
    this._offer();
  }

  /** The talk button starts what is not running and stops what is; it keeps the focus throughout. */
  _face() {
    const isIdle = this._isIdle();
    if (!isIdle) this._voice.keepOpen();
    this._talk.disabled = isIdle && !this._isReady;
    this._talk.classList.toggle('is-stop', !isIdle);
    byId('talk-label', HTMLSpanElement).textContent = isIdle ? 'Start talking' : 'Stop';
    byId('talk-icon', SVGUseElement).setAttribute('href', `icons.svg#${isIdle ? 'mic' : 'stop'}`);
  }

  /** @param {ServerEvent} event */
  _hear(event) {
    if (event.type === 'avatar.stats') this._figures.hear(event);
    else if (event.type === 'avatar.state_updated') this._tell((this._doing = event.new_state));
    else if (event.type === 'output_audio_buffer.cleared') this._confirm();
    else if (event.type === 'error') this._complain(new Problem(event.code, event.message, ''));
  }

  /** @param {string} doing */
  _tell(doing) {
    if (this._call.state.name === 'live' && !this._confirming) this._stage.say('live', DOING[doing] ?? 'Live');
  }

  /** Long enough to be read, or heard, before the next change of state takes its place. */
  _confirm() {
    clearTimeout(this._confirming);
    this._stage.say('live', 'Live: interrupted');
    this._confirming = window.setTimeout(() => {
      this._confirming = 0;
      this._tell(this._doing);
    }, CONFIRM_MS);
  }

  _roll() {
    const { srcObject } = byId('video', HTMLVideoElement);
    if (!(srcObject instanceof MediaStream)) return;
    const recording = (this._recording = new Recording(srcObject));
    press(this._record, true);
    const badge = byId('recording', HTMLParagraphElement);
    const time = byId('recording-time', HTMLSpanElement);
    const tick = () => (time.textContent = clockText(recording.seconds));
    tick();
    badge.hidden = false;
    this._recordingTimer = window.setInterval(tick, 500);
  }

  async _keep() {
    const recording = this._recording;
    this._recording = null;
    clearInterval(this._recordingTimer);
    press(this._record, false);
    byId('recording', HTMLParagraphElement).hidden = true;
    if (recording) download(await recording.finish());
  }

  /** @param {unknown} problem anything else is a mistake of ours and belongs in the console */
  _complain(problem) {
    if (!(problem instanceof Problem)) throw problem;
    const action = problem.retryable ? { label: 'Try again', act: () => void this._start() } : null;
    this._stage.complain(problem, action);
  }
}

/**
 * @param {HTMLButtonElement} button
 * @returns {boolean} whether it is pressed now
 */
function flip(button) {
  press(button, !isPressed(button));
  return isPressed(button);
}

startTheme();
void new Page().run();
