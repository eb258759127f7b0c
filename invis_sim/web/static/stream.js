// The journal of an outlet as it happens. The stream outlives the simulator: when that is back, it
// goes on where it was, and begins anew where another process answers.

import { get, outletPath, Problem } from "./requests.js";

const RETRY_MILLISECONDS = 500;
const MAX_BACKLOG = 1000; // how many entries from before the page was opened are shown

/** Follows one outlet at a time.
 *
 * on: { entry(entry, raw, run), lost(count), online(view, run), offline(problem), gone() }
 *   entry: an entry, or more of one that came before, with its JSON. lost: entries that never will come.
 *   online: the outlet answers. offline: it does not. gone: the simulator answers, and has no such
 *   outlet. A run is the time at which the process started: numbers of entries begin anew in each. */
export class Stream {
  constructor(on) {
    this.on = on;
    this.sn = null;
    this.run = null;
    this.position = 0; // up to this number every entry has come in full
    this.source = null;
    this.timer = null;
    this.attempt = 0; // so that the answer to an earlier attempt is not used
  }

  /** Follow this outlet from now on. */
  follow(sn) {
    this.close();
    this.sn = sn;
    this.run = null;
    this.open();
  }

  close() {
    this.attempt += 1;
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  async open() {
    const attempt = ++this.attempt;
    let view;
    try {
      view = await get(outletPath(this.sn));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (attempt !== this.attempt) return;
      if (error.status === 404) this.on.gone();
      else this.retry(error);
      return;
    }
    if (attempt !== this.attempt) return;
    if (view.started !== this.run) {
      this.position = Math.max(0, view.counters.journal - MAX_BACKLOG);
      this.run = view.started;
    }
    this.listen(view);
  }

  listen(view) {
    const { run } = this;
    const source = new EventSource(`${outletPath(this.sn, "events")}?after=${this.position}`);
    this.source = source;
    source.onopen = () => this.on.online(view, run);
    source.onmessage = ({ data, lastEventId }) => {
      this.position = Number(lastEventId);
      this.on.entry(JSON.parse(data), data, run);
    };
    source.addEventListener("lost", ({ data }) => this.on.lost(JSON.parse(data).lost));
    // The browser would connect again by itself, also to another process with other numbers.
    source.onerror = () => {
      source.close();
      if (this.source === source) this.retry(new Problem(0, "The simulator does not answer."));
    };
  }

  retry(problem) {
    this.source = null;
    this.on.offline(problem);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), RETRY_MILLISECONDS);
  }
}
