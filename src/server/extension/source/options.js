// The options: which server, and whether this browser is connected to it.

import { card, connectCard } from "./cards.js";
import { browser, connection, disconnect, onConnection } from "./connection.js";
import * as texts from "./texts.js";

const part = (id) => document.getElementById(id);

async function show() {
  const { server, byPolicy, token } = await connection();
  part("server").textContent = server;
  part("server-by").textContent = byPolicy ? texts.BY_POLICY : texts.BY_PACKAGE;
  if (!token) return connectCard(part("state"), server);
  card(part("state"), {
    title: texts.CONNECTED_TITLE,
    words: texts.CONNECTED,
    actions: [
      { text: texts.DISCONNECT, act: disconnect },
      { text: texts.ACCOUNT, act: () => browser.tabs.create({ url: `${server}/account` }), quiet: true },
    ],
  });
}

part("server-title").textContent = texts.SERVER;
part("state-title").textContent = texts.STATE;
onConnection(show);
show();
