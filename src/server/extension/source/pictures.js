// Pictures that came with texts. A page of the extension loads none from the server by itself, and the
// server gives them to nobody without the token: they are fetched like the rest, and shown from memory.

export class Pictures {
  constructor(place, server, call) {
    Object.assign(this, { place, server, call });
    this.shown = new Map();
    this.loading = new Set();
  }

  /** Gives the pictures of a part that is about to be shown what is known of them, and fetches the others. */
  dress = (part) => {
    for (const image of part.querySelectorAll("img[src]")) {
      const path = image.getAttribute("src");
      image.removeAttribute("src");
      image.dataset.file = path;
      if (this.shown.has(path)) image.src = this.shown.get(path);
      else this.load(path);
    }
  };

  async load(path) {
    const url = new URL(path, `${this.server}/`).href;
    if (this.loading.has(path) || !url.startsWith(`${this.server}/api/v1/messages/`)) return;
    this.loading.add(path);
    try {
      const answer = await this.call(url);
      if (!answer.ok || this.isOver) return;
      const address = URL.createObjectURL(await answer.blob());
      this.shown.set(path, address);
      for (const image of this.place.querySelectorAll("img[data-file]")) {
        if (image.dataset.file === path) image.src = address;
      }
    } catch {
      // The next time the conversation is read it is tried again.
    } finally {
      this.loading.delete(path);
    }
  }

  end() {
    this.isOver = true;
    for (const address of this.shown.values()) URL.revokeObjectURL(address);
    this.shown.clear();
  }
}
