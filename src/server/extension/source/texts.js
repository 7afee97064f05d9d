// Every text of the extension but those of `tab-texts.js`, in one place, so that it can be translated.

export const TITLE = "Texts";
export const CLOSE = "Close";
export const WHOLE = "Open in fulcrum";
export const LOADING = "Reading the conversation…";

export const CONNECT_TITLE = "Connect this browser";
export const CONNECT = "Connect";
export const connectWords = (server) =>
  `To read and send texts here, let your account at ${server} approve this browser.`;
export const PAIRING_TITLE = "Approve in the other tab";
export const PAIRING_WORDS = "Sign in there if it asks you to. Approve only if that page shows these digits:";
export const CANCEL = "Cancel";
export const AGAIN = "Try again";

export const TROUBLES = {
  "no-permission": "The browser was not allowed to reach the server. Press Connect again and allow it.",
  unreachable: "The server cannot be reached. Check your network, or ask your administrator whether fulcrum runs.",
  "not-fulcrum": "Something else than fulcrum answers at this address. Ask your administrator for the right one.",
  refused: "The request was refused in the other tab.",
  late: "Nobody approved within five minutes.",
  failed: "The server could not do it. Try again in a moment.",
};

export const REVOKED_TITLE = "No longer connected";
export const REVOKED_WORDS = "The access of this browser ran out or was taken back. Connect it again.";
export const FORBIDDEN_TITLE = "Not for your role";
export const FORBIDDEN_WORDS = "Your role does not include reading conversations. An administrator can change it.";
export const UNKNOWN_TITLE = "Not found";
export const UNKNOWN_WORDS =
  "This candidate is not synced yet, or you may not see them. A new candidate takes a few minutes; this page looks again by itself.";
export const DELETED_TITLE = "Deleted";
export const DELETED_WORDS = "This candidate was deleted in Lever, and their data was erased here.";
export const DOWN_TITLE = "Server not reachable";
export const FAILED_TITLE = "That did not work";
export const WRONG_TITLE = "Wrong server";
export const stale = (minutes) =>
  `The server cannot be reached. You see what was known ${minutes < 1 ? "a moment" : minutes === 1 ? "a minute" : `${minutes} minutes`} ago.`;

export const SERVER = "Server";
export const BY_POLICY = "Set by your organisation.";
export const BY_PACKAGE = "This extension was made for it.";
export const STATE = "Connection";
export const CONNECTED_TITLE = "Connected";
export const CONNECTED = "This browser may read and send texts for you. You can take that back here, or on the page of your account.";
export const DISCONNECT = "Disconnect";
export const ACCOUNT = "Your account";
