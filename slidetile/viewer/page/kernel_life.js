/** Whether the kernel that shows a page is still there: what the notebook says of it, and what it answers. */

const LOST = new Set(["restarting", "autorestarting"]);
const OVER = new Set(["dead", "terminating"]);
const GRACE_MS = 1000; // an answer is sent before the kernel says that it has done with a question
const IDLE_MS = 4000; // a kernel that has nothing to do has answered by then
const AGAIN_MS = 30_000; // a question may be lost where a connection was

/** It has forgotten what was shown. */
export const RESTARTED = "The kernel was restarted and has forgotten what was shown here: run the cell again to bring it back.";
/** It is no more. */
export const CLOSED = "The kernel was closed: run the cell again, in a new kernel, to bring this back.";
/** One of the two. */
const GONE = "The kernel was closed or restarted: run the cell again to bring this back.";

export class KernelLife {
  /**
   * @param {object} model Of anywidget.
   * @param {string} key The page's identity, which a pong brings back.
   * @param {(words: string) => void} onEnd Told once, when the kernel is gone for this page.
   */
  constructor(model, key, onEnd) {
    Object.assign(this, { model, key, onEnd, wasHeard: false });
    this.begun = this.kernel?.id;
    this.onStatus = (_, status) => this.#judge(status);
    this.watched = this.kernel?.statusChanged;
    this.watched?.connect(this.onStatus);
    this.onChannel = () => this.probe();
    for (const name of ["comm_live_update", "comm:close"]) model.on(name, this.onChannel);
    this.clock = setInterval(() => this.#look(), 500);
  }

  /** What the notebook has as its kernel; undefined where it does not tell, as most of them. */
  get kernel() {
    const manager = this.model.widget_manager;
    return manager && "kernel" in manager ? manager.kernel : undefined;
  }

  /** Something came from the kernel: null for what is no answer to a probe. */
  hear(pong) {
    this.wasHeard = true;
    if (pong === this.key) this.probed = this.late = clearTimeout(this.late);
  }

  /** Ask whether anybody is there, once in a while. */
  probe() {
    if (this.isOver || Date.now() - this.probed < AGAIN_MS) return;
    this.probed = Date.now();
    const status = ({ content }) => {
      if (content?.execution_state !== "idle" || !this.probed) return;
      clearTimeout(this.late);
      this.late = setTimeout(() => this.end(RESTARTED), GRACE_MS); // it took the question and knows no such page
    };
    try {
      this.model.send({ ping: this.key }, { iopub: { status } });
    } catch {
      this.#look();
      this.end(GONE);
    }
  }

  end(words) {
    if (this.isOver) return;
    this.close();
    this.onEnd(words);
  }

  close() {
    this.isOver = true;
    clearInterval(this.clock);
    clearTimeout(this.late);
    this.watched?.disconnect(this.onStatus);
    for (const name of ["comm_live_update", "comm:close"]) this.model.off(name, this.onChannel);
  }

  #judge(status) {
    if (LOST.has(status)) this.end(RESTARTED);
    else if (OVER.has(status)) this.end(CLOSED);
  }

  #look() {
    const { kernel } = this;
    if (kernel === undefined) return;
    if (!kernel || kernel.isDisposed) this.end(CLOSED);
    else if (this.begun && kernel.id !== this.begun) this.end(RESTARTED);
    else if (this.#isDeaf(kernel)) this.end(RESTARTED);
    else this.#judge(kernel.status);
  }

  /** Whether a page that never had an answer, such as one of a saved notebook, asks a kernel that has nothing to do. */
  #isDeaf(kernel) {
    if (kernel.status !== "idle" || this.wasHeard || !this.probed) this.idleSince = undefined;
    else this.idleSince ??= Date.now();
    return this.idleSince !== undefined && Date.now() - this.idleSince > IDLE_MS;
  }
}
