/** The door of notebooks: questions and answers as messages of the kernel, tiles as their buffers. */

import { unpackedJson } from "./bytes.js";
import { KernelLife } from "./kernel_life.js";
import { DAMAGED, FAILED, GONE, SourceError } from "./source.js";

const AT_ONCE = 8; // questions on their way; others wait here, where they can be taken back
const PROBE_MS = 1500;
const SILENCE_MS = 4000;
const STATES = { damaged: DAMAGED, gone: GONE, failed: FAILED };

const aborted = () => new DOMException("It is no longer looked at.", "AbortError");

export class KernelSource {
  /**
   * @param {object} model Of anywidget.
   * @param {(isSilent: boolean) => void} onSilence Told when the kernel does not answer, and when it does again.
   */
  constructor(model, onSilence) {
    Object.assign(this, { model, onSilence, waiting: [], sent: new Map(), count: 0, ended: null });
    this.key = crypto.getRandomValues(new Uint32Array(2)).join("-"); // a model may have several pages
    this.hear = (message, buffers) => this.#hear(message, buffers);
    this.ask = this.ask.bind(this);
    model.on("msg:custom", this.hear);
    this.life = new KernelLife(model, this.key, (words) => this.#end(words));
    this.clock = setInterval(() => this.#tick(), 500);
  }

  async scene() {
    const { data } = await this.ask("scene", []);
    return unpackedJson(data);
  }

  async tile(level, column, row, signal) {
    const { message, data } = await this.ask("tile", [level, column, row], signal);
    return message.type === null ? null : new Blob([data], { type: message.type });
  }

  async row(index) {
    return (await this.ask("row", [index])).message.value;
  }

  async replan(settings) {
    return unpackedJson((await this.ask("replan", [settings])).data);
  }

  /** Ask the kernel; what is asked last is asked first, since it is what is looked at. */
  ask(what, given, signal) {
    if (this.ended) return Promise.reject(new SourceError(this.ended, GONE));
    return new Promise((resolve, reject) => {
      this.count += 1;
      const question = { id: `${this.key}-${this.count}`, what, given, resolve, reject };
      signal?.addEventListener("abort", () => this.#drop(question), { once: true });
      this.waiting.push(question);
      this.#send();
    });
  }

  close() {
    clearInterval(this.clock);
    this.ended = "It is no longer looked at.";
    this.life.close();
    this.model.off("msg:custom", this.hear);
    for (const { reject } of [...this.waiting, ...this.sent.values()]) reject(aborted());
    this.waiting = [];
    this.sent.clear();
  }

  #send() {
    while (this.sent.size < AT_ONCE && this.waiting.length) {
      const question = this.waiting.pop();
      const { id, what, given } = question;
      question.since = Date.now();
      this.sent.set(id, question);
      try {
        this.model.send({ id, ask: what, given, tab: this.key });
      } catch {
        this.life.probe(); // which says why, if it cannot be sent either
        return;
      }
    }
  }

  #drop(question) {
    const place = this.waiting.indexOf(question);
    if (place >= 0) this.waiting.splice(place, 1);
    else if (this.sent.delete(question.id)) {
      try {
        this.model.send({ drop: [question.id] });
      } catch {
        this.life.probe();
      }
    }
    question.reject(aborted());
    this.#send();
  }

  #hear(message, buffers) {
    this.#setSilent(false);
    this.life.hear(message?.pong ?? null);
    for (const each of this.sent.values()) each.since = Date.now(); // it is at work
    const question = this.sent.get(message?.id);
    if (!question) return;
    this.sent.delete(message.id);
    if (message.state === "ok") {
      const [view] = buffers;
      const data = view && new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);
      question.resolve({ message, data });
    } else if (message.state === "dropped") question.reject(aborted());
    else question.reject(new SourceError(message.words, STATES[message.state] ?? FAILED));
    this.#send();
  }

  #tick() {
    const quiet = Date.now() - Math.min(...[...this.sent.values()].map(({ since }) => since));
    if (quiet > PROBE_MS) this.life.probe();
    if (quiet > SILENCE_MS) this.#setSilent(true);
  }

  #setSilent(isSilent) {
    if (this.isSilent === isSilent) return;
    this.isSilent = isSilent;
    this.onSilence(isSilent);
  }

  /** Nobody answers any more: whoever waits is told so, and whoever asks later. */
  #end(words) {
    if (this.ended) return;
    this.ended = words;
    clearInterval(this.clock);
    const asked = [...this.waiting, ...this.sent.values()];
    this.waiting = [];
    this.sent.clear();
    for (const { reject } of asked) reject(new SourceError(words, GONE));
    this.onClosed?.(words);
  }
}
