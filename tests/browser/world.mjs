// A sandbox, a daemon set on it, and a browser, for a test to use and to stop.

import { execFileSync, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const binary = process.env.FULCRUM_BINARY ?? join(target, "debug", "fulcrum");

/** Where pictures of pages go, for people to look at. */
const pictures = fileURLToPath(new URL("pictures", import.meta.url));

/** Flags with which Chromium asks nobody but the pages under test. */
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-proxy-server",
];

/** One dot. */
const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** What went wrong in scripts of pages, and nobody caught. Whichever test it happens in fails. */
const uncaught = [];
afterEach(() => {
  const found = uncaught.splice(0);
  if (found.length) throw new Error(`a page has thrown: ${found.join("; ")}`);
});

/** Keeps what goes wrong in the pages of a browser. */
function watchOver(context) {
  context.on("weberror", (one) => uncaught.push(one.error().stack ?? String(one.error())));
}

/** Resolves when `attempt` gives something; says what was waited for when it never does. */
export async function until(what, attempt, patience = 20_000) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await Promise.resolve()
      .then(attempt)
      .catch((error) => void (attempt.last = error));
    if (found) return found;
    if (Date.now() > end) {
      const why = attempt.last ? `; ${attempt.last.message}` : "";
      throw new Error(`waited in vain: ${what}${why}`, { cause: attempt.last });
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

class Program {
  constructor(args) {
    this.process = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"]) {
      this.process[stream].on("data", (data) => (this.said[stream] += data));
    }
    this.gone = new Promise((done) => this.process.on("exit", done));
    // A test that fails while it sets up leaves nothing behind.
    process.on("exit", () => this.process.kill());
  }

  get hasEnded() {
    return this.process.exitCode !== null;
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.gone;
  }
}

/** A sandbox and a daemon in a folder of their own. */
export class World {
  static async start({ opportunities = 60, tokens = true } = {}) {
    const world = new World();
    world.doors = new Map();
    world.folder = await mkdtemp(join(tmpdir(), "fulcrum-browser-"));
    world.sandboxProgram = new Program([
      "sandbox",
      ...["--opportunities", String(opportunities), "--rate", "1000", "--burst", "1000"],
      ...["--write-config", world.folder],
    ]);
    const line = await until("the sandbox's addresses", () => {
      const { stdout } = world.sandboxProgram.said;
      return stdout.includes("\n") && JSON.parse(stdout);
    });
    Object.assign(world, {
      sandbox: line.twilio,
      sandboxPort: new URL(line.twilio).port,
      url: line.daemon,
      apiToken: line.api_token,
      numbers: line.numbers,
      password: line.console_password,
    });
    const file = join(world.folder, "lever-webhooks.toml");
    world.tokens = [...(await readFile(file, "utf8")).matchAll(/"([0-9A-Za-z]+)"/g)].map((found) => found[1]);
    if (!tokens) await rm(file);
    await world.startDaemon();
    return world;
  }

  async startDaemon() {
    this.daemon = new Program(["run", "-c", join(this.folder, "fulcrum.toml")]);
    await until("the daemon has synced", async () => {
      if (this.daemon.hasEnded) throw new Error(this.daemon.said.stderr);
      const status = await this.api("GET", "/api/v1/status");
      return status.backfill.state === "complete";
    });
  }

  async stopDaemon() {
    await this.daemon.stop();
  }

  async stop() {
    await this.browser?.close();
    await this.daemon.stop();
    await this.sandboxProgram.stop();
    await rm(this.folder, { recursive: true });
  }

  /** A call of the daemon's API, as a program with all rights. */
  async api(method, path, body) {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.apiToken}`, "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** A call of the sandbox's control routes. */
  async control(method, path, body) {
    const answer = await fetch(`${this.sandbox}/_sandbox${path}`, { method, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** Signs in on the page that asks for it. */
  async signIn(page, role) {
    await page.getByLabel("E-mail").fill(`${role}@acme.example`);
    await page.getByLabel("Password").fill(this.password);
    await page.getByRole("button", { name: "Sign in" }).click();
  }

  /** An active candidate with a number. */
  candidate() {
    return this.control("GET", "/opportunity?phone=true");
  }

  /** Somebody new, with a number of their own, who is known here already. */
  async applicant({ name } = {}) {
    this.applied = (this.applied ?? 0) + 1;
    const wanted = name ?? `Dana Number${this.applied}`;
    const number = `+1202555${String(2000 + this.applied)}`;
    const { opportunity } = await this.happen({ event: "apply", name: wanted, phone: number });
    await this.known(opportunity);
    return { id: opportunity, name: wanted, number };
  }

  /** Waits until somebody new is known here. */
  known(opportunity) {
    return until("the applicant is known", () => this.api("GET", `/api/v1/opportunities/${opportunity}`));
  }

  /** Something happens in Lever. */
  happen(event) {
    return this.control("POST", "/events", event);
  }

  /** A candidate texts. */
  inbound(from, body) {
    return this.control("POST", "/inbound", { from, body });
  }

  /** A candidate sends a picture. */
  inboundPicture(from, body) {
    const media = [{ content_type: "image/png", base64: PICTURE }];
    return this.control("POST", "/inbound", { from, body, media });
  }

  /** Waits until a page, or a frame of one, shows a picture that came with a text. */
  shows(place) {
    const shown = (image) => image.complete && image.naturalWidth > 0;
    return until("the picture", () => place.locator(".message .file img").first().evaluate(shown));
  }

  /** Whether the carrier took a text to a number, with these words if any are given. */
  async wasTaken(number, words = /./) {
    const { data } = await this.control("GET", "/ledger");
    const texts = data.filter((entry) => entry.kind === "message_created").map((entry) => JSON.stringify(entry.detail));
    return texts.some((text) => text.includes(number) && words.test(text));
  }

  /** Waits until the carrier took a text. */
  took(number, words) {
    return until(`a text to ${number}`, () => this.wasTaken(number, words));
  }

  /** A page in a browser of its own. */
  async page(options = {}) {
    this.browser ??= await chromium.launch({ executablePath: "/usr/bin/chromium", args: QUIET });
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    context.setDefaultTimeout(15_000);
    watchOver(context);
    const page = await context.newPage();
    page.complaints = [];
    page.on("console", (said) => said.type() === "error" && page.complaints.push(said.text()));
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    return page;
  }

  /** A page of somebody who is signed in, by their role. */
  async signedIn(role, options = {}) {
    const page = await this.page(options);
    await page.goto(`${this.url}/sign-in`);
    await this.signIn(page, role);
    await page.waitForURL((url) => !url.pathname.includes("sign-in"));
    this.doors.set(role, await page.context().storageState());
    return page;
  }

  /** The same in another browser, with the cookie of the last sign-in: those are counted. */
  async again(role, options = {}) {
    const door = this.doors.get(role);
    return door ? this.page({ ...options, storageState: door }) : this.signedIn(role, options);
  }

  /** Fails with what axe-core finds that is serious in a page, or in a frame of one. */
  async accessible(page) {
    const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    // What fades in for a moment is pale for that moment.
    await page.evaluate(() => Promise.allSettled(document.getAnimations().map((each) => each.finished)));
    const found = await page.evaluate(`${source}; axe.run().then((found) => found.violations)`);
    const serious = found.filter((each) => ["serious", "critical"].includes(each.impact));
    const words = serious.map((each) => `${each.id}: ${each.nodes.map((node) => node.html).join(" | ")}`);
    if (words.length) throw new Error(`${page.url()} is hard to use for some: ${words.join("; ")}`);
  }

  /** Keeps what the page looks like. */
  async picture(page, name) {
    await mkdir(pictures, { recursive: true });
    await page.screenshot({ path: join(pictures, `${name}.png`) });
  }
}

/** A browser with a fresh profile. `extension`: a folder with an unpacked one. */
export async function browse({ extension, resolve = [], options = {} } = {}) {
  const profile = await mkdtemp(join(tmpdir(), "fulcrum-profile-"));
  const args = [...QUIET];
  if (extension) args.push(`--disable-extensions-except=${extension}`, `--load-extension=${extension}`);
  if (resolve.length) args.push(`--host-resolver-rules=${resolve.join(",")}`);
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    headless: false,
    args: ["--headless=new", ...args],
    ignoreDefaultArgs: ["--disable-extensions"],
    ...options,
  });
  context.setDefaultTimeout(15_000);
  watchOver(context);
  const close = context.close.bind(context);
  context.close = async () => {
    await close();
    await rm(profile, { recursive: true, force: true });
  };
  return context;
}

/** Unpacks what the daemon offers for download, and gives the folder. */
export async function unpack(url, folder) {
  const archive = join(folder, "package.zip");
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  await writeFile(archive, Buffer.from(await answer.arrayBuffer()));
  const to = join(folder, "unpacked");
  execFileSync("python3", ["-m", "zipfile", "-e", archive, to]);
  return to;
}
