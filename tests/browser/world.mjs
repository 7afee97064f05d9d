// A sandbox, a daemon set on it, and a browser, for a test to use and to stop.

import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));
const binary = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug", "fulcrum");

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
  static async start({ opportunities = 60 } = {}) {
    const world = new World();
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
