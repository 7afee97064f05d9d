// Stands in for the parts of the daemon that the extension's panel talks to, so that a test can say
// what it answers, see all that it was asked, and take it away.

import { createHash } from "node:crypto";
import { createServer } from "node:http";

const TEXTS = JSON.stringify({ one_segment: "1 segment", segments: "{} segments" }).replaceAll('"', "&quot;");

/** A conversation in the shape of the console's fragment. */
function fragment(path, words, isOpen) {
  const open = `<textarea name="body" aria-label="Text"></textarea>
<p class="wrong" hidden></p><div class="under"><span class="count"></span><button class="send">Send</button></div>`;
  const closed = `<p class="note bad">No texts.</p><textarea name="body" disabled></textarea><p class="wrong" hidden></p>`;
  return `<section class="conversation" aria-label="Texts" data-fragment="${path}" data-texts="${TEXTS}">
<header><h2>${words}</h2></header>
<div class="talk" tabindex="0"><ol class="thread"><li class="message in" id="m-1"><p class="body">Hi</p></li></ol></div>
<form class="composer"><div class="notices"></div>${isOpen ? open : closed}</form>
<aside class="facts"><a href="/c/K3V9">The whole</a></aside>
<script>document.title = "hijacked"</script><img src="x" onerror="document.title = 'hijacked'">
</section>`;
}

export class StandIn {
  tokens = new Set();
  asked = [];
  pairings = new Map();
  /** What a profile's fragment is answered with: words, or a status. */
  profiles = new Map();
  streams = new Set();
  /** Whose profiles are closed to texts. */
  closed = new Set();
  delay = 0;
  isFulcrum = true;

  static async start() {
    const it = new StandIn();
    it.server = createServer((request, answer) => it.answer(request, answer));
    await it.up();
    return it;
  }

  async up(port = 0) {
    await new Promise((done) => this.server.listen(port, "127.0.0.1", done));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  async down() {
    const closed = new Promise((done) => this.server.close(done));
    this.server.closeAllConnections();
    await closed;
  }

  /** Tells open panels that a conversation changed. */
  tell(event, data = {}) {
    for (const stream of this.streams) stream.write(`event: ${event}\nid: 1-2\ndata: ${JSON.stringify(data)}\n\n`);
  }

  async answer(request, answer) {
    const url = new URL(request.url, this.url);
    this.asked.push(`${request.method} ${url.pathname}`);
    const say = (status, type, body) => answer.writeHead(status, { "Content-Type": type }).end(body);
    const json = (status, body) => say(status, "application/json", JSON.stringify(body));
    const problem = (status) => say(status, "application/problem+json", JSON.stringify({ status }));
    if (!this.isFulcrum) return say(404, "text/html", "<h1>Another server</h1>");
    if (url.pathname === "/extension/about") return json(200, { fulcrum: "0.0.0" });
    if (url.pathname === "/extension/pair") return this.pair(url.searchParams, say);
    if (url.pathname === "/extension/token") return this.token(await read(request), json);
    const [, token] = (request.headers.authorization ?? "").split(" ");
    if (!this.tokens.has(token)) return problem(401);
    if (url.pathname === "/events") {
      answer.writeHead(200, { "Content-Type": "text/event-stream" });
      answer.write("event: hello\nid: 1-1\ndata: {}\n\n");
      this.streams.add(answer);
      request.on("close", () => this.streams.delete(answer));
      return;
    }
    const [, opportunity] = /^\/fragments\/o\/([^/]+)$/.exec(url.pathname) ?? [];
    const profile = this.profiles.get(opportunity) ?? 404;
    await new Promise((done) => setTimeout(done, this.delay));
    if (typeof profile === "number") return problem(profile);
    say(200, "text/html; charset=utf-8", fragment(url.pathname, profile, !this.closed.has(opportunity)));
  }

  pair(query, say) {
    const challenge = query.get("challenge");
    if (query.get("answer")) {
      this.pairings.set(challenge, query.get("answer"));
      return say(200, "text/html", "Done");
    }
    const digits = String(Buffer.from(challenge, "base64url").readUInt32BE(0) % 1_000_000).padStart(6, "0");
    const link = (to) => `<a href="?${new URLSearchParams({ challenge, answer: to })}">${to}</a>`;
    this.hash = (verifier) => createHash("sha256").update(Buffer.from(verifier, "base64url")).digest("base64url");
    say(200, "text/html", `<p>${query.get("label")}</p><h2>${digits.slice(0, 3)} ${digits.slice(3)}</h2>${link("approve")} ${link("refuse")}`);
  }

  token(body, json) {
    const challenge = this.hash?.(JSON.parse(body).verifier);
    const decided = this.pairings.get(challenge);
    this.pairings.delete(challenge);
    if (decided === "refuse") return json(403, {});
    if (decided !== "approve") return json(202, {});
    const token = `token-${this.tokens.size + 1}`;
    this.tokens.add(token);
    json(200, { token });
  }
}

async function read(request) {
  let body = "";
  for await (const part of request) body += part;
  return body;
}
