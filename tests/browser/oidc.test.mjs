// Signing in by way of a real identity provider, as a browser goes: redirects, forms, cookies.

import assert from "node:assert/strict";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";

import Provider from "oidc-provider";

import { World } from "./world.mjs";

/** Whom the provider knows. */
const PEOPLE = {
  ana: { email: "Ana@acme.example", email_verified: true, name: "Ana Acme", groups: ["staff", "talent"] },
  ben: { email: "ben@acme.example", email_verified: true, name: "Ben Acme", groups: ["staff"] },
  eve: { email: "admin@acme.example", email_verified: false, name: "Eve", groups: ["admins"] },
};
const SECRET = randomUUID();

let world, server, issuer;

function key() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };
}

/** Starts the provider, each time with a new key. */
async function startProvider(port = 0) {
  server = createServer();
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  // Another site than the daemon's, as browsers see it.
  issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      { client_id: "fulcrum", client_secret: SECRET, redirect_uris: [`${world.url}/sign-in/oidc/callback`] },
    ],
    jwks: { keys: [key()] },
    cookies: { keys: [randomUUID()] },
    scopes: ["openid", "email", "profile", "groups"],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    pkce: { required: () => true },
    findAccount: (_, id) => PEOPLE[id] && { accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) },
  });
  server.on("request", provider.callback());
}

async function stopProvider() {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
}

/** Keeps cookies by host; follows redirects one by one. */
class Browser {
  jar = new Map();

  async ask(address, form) {
    const url = new URL(address);
    const jar = this.jar.get(url.host) ?? this.jar.set(url.host, new Map()).get(url.host);
    const answer = await fetch(url, {
      method: form ? "POST" : "GET",
      body: form && new URLSearchParams(form),
      headers: { Cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") },
      redirect: "manual",
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      if (value && !/max-age=0(;|$)/i.test(cookie)) jar.set(name, value);
      else jar.delete(name);
    }
    const location = answer.headers.get("location");
    const text = await answer.text();
    return { status: answer.status, url, text, to: location && new URL(location, url).href };
  }

  /** Goes on until a page; at the provider it signs in as `who`. `stop`: where it is to halt before going. */
  async go(address, who, stop = () => false) {
    let answer = await this.ask(address);
    for (let steps = 0; steps < 20; steps++) {
      if (answer.to) {
        if (stop(answer.to)) return answer;
        answer = await this.ask(answer.to);
      } else if (answer.url.origin === issuer && /<form/.test(answer.text)) {
        const action = /action="([^"]+)"/.exec(answer.text)[1];
        const prompt = /name="prompt" value="([^"]+)"/.exec(answer.text)[1];
        answer = await this.ask(new URL(action, answer.url), { prompt, login: who, password: "any" });
      } else return answer;
    }
    throw new Error(`no end of redirects, last at ${answer.url}`);
  }

  signIn(who, next = "/account") {
    return this.go(`${world.url}/sign-in/oidc?next=${encodeURIComponent(next)}`, who);
  }
}

const isCallback = (to) => to.startsWith(`${world.url}/sign-in/oidc/callback`);

before(async () => {
  world = await World.start();
  await startProvider();
  const secret = join(world.folder, "oidc-client-secret");
  await writeFile(secret, SECRET, { mode: 0o600 });
  await appendFile(
    join(world.folder, "fulcrum.toml"),
    `\n[sign_in.oidc]\nissuer = "${issuer}"\nclient_id = "fulcrum"\nclient_secret_file = "${secret}"\n` +
      `scopes = ["groups"]\nadmin = ["admins"]\nrecruiter = ["talent"]\n`,
  );
  await world.stopDaemon();
  await world.startDaemon();
});

after(async () => {
  await stopProvider();
  await world.stop();
});

test("somebody with a role is signed in and sent where they wanted to go", async () => {
  const browser = new Browser();
  const page = await browser.go(`${world.url}/account`);
  assert.match(page.text, /Sign in with your organisation.{1,6}s account/);
  const account = await browser.signIn("ana");
  assert.equal(account.status, 200);
  assert.equal(account.url.pathname, "/account");
  assert.match(account.text, /Ana Acme \(ana@acme\.example\)/);
  assert.match(account.text, /recruiter/);
});

test("a browser comes back from the provider and is signed in", async () => {
  const page = await world.page();
  // The provider's own page would fetch one.
  await page.route(/fonts\.googleapis\.com/, (route) => route.abort());
  await page.goto(`${world.url}/account`);
  await world.accessible(page);
  await page.getByRole("link", { name: /your organisation/ }).click();
  await page.getByPlaceholder("Enter any login").fill("ana");
  await page.getByPlaceholder("and password").fill("any");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByText("Ana Acme (ana@acme.example)").waitFor();
  assert.equal(page.url(), `${world.url}/account`);
  const blocked = page.complaints.filter((words) => /Content.Security.Policy|cookie/i.test(words));
  assert.deepEqual(blocked, []);
});

test("somebody without a role is told which values are looked for", async () => {
  const page = await new Browser().signIn("ben");
  assert.equal(page.status, 403);
  for (const words of [/ben@acme\.example/, /groups/, /admins, talent/]) assert.match(page.text, words);
});

test("an unverified e-mail is nobody's", async () => {
  const page = await new Browser().signIn("eve");
  assert.equal(page.status, 403);
  assert.match(page.text, /not verified/);
});

test("an answer counts in the browser that asked for it, and once", async () => {
  const browser = new Browser();
  const { to } = await browser.go(`${world.url}/sign-in/oidc`, "ana", isCallback);
  const wrong = new URL(to);
  wrong.searchParams.set("state", "x".repeat(43));
  for (const [who, address] of [[new Browser(), to], [browser, wrong.href]]) {
    const page = await who.ask(address);
    assert.equal(page.status, 403);
    assert.match(page.text, /begun in this browser/);
  }
  assert.equal((await browser.ask(to)).status, 303);
  assert.equal((await browser.ask(to)).status, 403);
});

test("a provider that has changed its keys is asked for the new ones", async () => {
  await stopProvider();
  await startProvider(new URL(issuer).port);
  assert.equal((await new Browser().signIn("ana")).status, 200);
});

test("without the provider there is a page that says so, and passwords still work", async () => {
  const begun = new Browser();
  const { to } = await begun.go(`${world.url}/sign-in/oidc`, "ana", isCallback);
  await stopProvider();
  try {
    const page = await begun.ask(to);
    assert.equal(page.status, 503);
    assert.match(page.text, /does not answer/);

    await world.stopDaemon();
    await world.startDaemon();
    const browser = new Browser();
    assert.equal((await browser.signIn("ana")).status, 503);
    const form = await browser.ask(`${world.url}/sign-in`);
    const csrf = /name="csrf" value="([^"]+)"/.exec(form.text)[1];
    const password = (await readFile(join(world.folder, "console-password"), "utf8")).trim();
    const entered = await browser.ask(`${world.url}/sign-in`, { csrf, email: "viewer@acme.example", password });
    assert.equal(entered.status, 303);
  } finally {
    await startProvider(new URL(issuer).port);
  }
});
