//! Every text of the console, in one place, so that it can be translated.
//!
//! Templates name them as `texts::NAME`. What stands in the API's answers and in health is said by
//! the rooms that know it.

macro_rules! texts {
    ($($name:ident = $text:literal;)*) => {$(
        pub(super) const $name: &str = $text;
    )*};
}

texts! {
    // The frame
    SKIP = "Skip to the content";
    NAVIGATION = "Parts of the console";
    SIGN_OUT = "Sign out";
    INBOX = "Inbox";
    SETUP = "Setup";
    ACTIVITY = "Activity";
    SYSTEM = "System";
    OLDER = "Older";
    NOT_FOUND = "Not found";
    NOT_FOUND_WORDS = "There is nothing at this address, or you may not see it.";
    NOT_FOUND_BACK = "To the inbox";
    GONE = "Deleted";
    GONE_WORDS = "This candidate was deleted in Lever, and their data was erased here.";

    // The inbox
    SHELVES = "Folders";
    MINE = "Mine";
    TEAM = "Team";
    UNANSWERED = "Unanswered";
    FAILED = "Failed";
    SCHEDULED = "Scheduled";
    POSSIBLE_OPT_OUTS = "Possible opt-outs";
    UNMATCHED = "Unmatched";
    ARCHIVED = "Archived";
    CONVERSATIONS = "Conversations";
    SEARCH = "Search";
    SEARCH_HINT = "Name, number or words";
    NOBODY_OPEN = "Choose a conversation";
    NOBODY_OPEN_WORDS = "Or open a candidate in Lever and text them from there.";
    EMPTY_MINE = "Nothing is assigned to you. Conversations that you begin or follow appear here.";
    EMPTY_TEAM = "No conversation yet. Open a candidate in Lever, or search for one, and send the first text.";
    EMPTY_UNANSWERED = "Everybody has been answered.";
    EMPTY_FAILED = "No text has failed.";
    EMPTY_SCHEDULED = "No text waits for its time.";
    EMPTY_POSSIBLE = "Nobody may have opted out without saying so plainly.";
    EMPTY_UNMATCHED = "Every number belongs to somebody in Lever.";
    EMPTY_ARCHIVED = "Nothing is archived.";
    EMPTY_SEARCH = "Nothing found. Names, numbers and words of texts are searched.";
    PEOPLE = "Candidates";
    IN_TEXTS = "In texts";
    YOU = "You";
    UNREAD = "unread";
    UNKNOWN_NAME = "Unknown number";
    KEYS = "Keys";
    KEYS_CLOSE = "Close";
    KEY_NEXT = "next or previous conversation";
    KEY_SEARCH = "search";
    KEY_REPLY = "write a reply";
    KEY_ARCHIVE = "archive, or bring back";
    KEY_HELP = "this help";

    // A conversation
    MESSAGES = "Messages";
    NO_MESSAGES = "No texts yet. The first one names your organisation and says how to opt out.";
    COLLEAGUE = "Colleague";
    AUTOMATIC = "Automatic";
    PROGRAM = "Program";
    ARCHIVE = "Archive";
    UNARCHIVE = "Bring back";
    ASSIGN_ME = "Assign to me";
    UNASSIGN = "Unassign";
    ASSIGNED_TO = "Assigned to";
    NOBODY = "nobody";
    FOLLOW = "Follow";
    UNFOLLOW = "Unfollow";
    COMPOSE = "Write a text";
    SEND = "Send";
    WHEN = "When";
    NOW = "Now";
    CANNOT_WAIT = "It cannot wait, since";
    CANNOT_WAIT_WHY = "a reason, for the record; empty: it waits";
    NEXT_MORNING = "Next morning, their time";
    EXACT = "At a time";
    EXACT_TIME = "Time (yours)";
    TEMPLATE = "Template";
    CHOOSE_TEMPLATE = "Insert a template";
    UNDO = "Undo";
    CANCEL = "Cancel";
    FACTS = "Candidate";
    STAGE = "Stage";
    POSTING = "Posting";
    OWNER = "Owner";
    LOCAL_TIME = "Local time";
    NUMBER = "Number";
    CONSENT = "Consent";
    OTHERS = "Other opportunities";
    INTERVIEW = "Next interview";
    IN_LEVER = "Open in Lever";
    TRANSCRIPT = "Transcript";
    NOTHING_OPEN = "Nothing is waiting to be filed.";
    FILES_AT = "Filed as a note in Lever";
    WAITS_UNMATCHED = "Not filed until it is known whose number this is.";
    FILE_NOW = "File now";
    FILED_NOTES = "Filed notes";
    POSSIBLE = "They may have asked not to be texted. Automatic texts to them wait.";
    IS_OPT_OUT = "They want no texts";
    NO_OPT_OUT = "They may be texted";
    MATCH_HINT = "This number belongs to nobody in Lever. Add it to the candidate's profile there; the conversation follows.";

    // For the module that makes it live
    JS_ARRIVED = "New text:";
    JS_SENDS_IN = "leaves in {} s";
    JS_ONE_SEGMENT = "1 segment";
    JS_SEGMENTS = "{} segments";
    JS_FORCED_BY = "\u{201c}{}\u{201d} makes it Unicode, with fewer characters a segment";
    JS_EMPTY = "Write something first.";
    JS_NO_TIME = "Choose a time.";
    JS_TAKEN = "Taken. It can be undone for 10 seconds.";
    JS_CANCELLED = "Not sent.";
    JS_FAILED = "That did not work. Nothing was sent.";
    JS_UNREACHABLE = "The server cannot be reached. What you typed is still here; try again.";
    CONFIDENTIAL = "confidential";
    FROM_LEVER = "From Lever {}";

    // Setup
    SETUP_WORDS = "Five steps connect Lever. Each says how it stands.";
    STEP_KEY = "Make an API key in Lever";
    STEP_KEY_WORDS = "In Lever: Settings, Integrations and API, API credentials, generate a new key, and tick the permissions below.";
    STEP_FILE = "Put the key in its file";
    STEP_URL = "Paste the webhook address into Lever";
    STEP_URL_WORDS = "In Lever: Settings, Integrations and API, Webhooks. Each of the eight takes this address.";
    STEP_HOOKS = "Turn the eight webhooks on";
    STEP_HOOKS_WORDS = "\u{201c}Verify connection\u{201d} in Lever sends one at once. Until all are on, changes are found by asking every few minutes.";
    STEP_TOKENS = "Paste the signature tokens";
    STEP_TOKENS_WORDS = "Each webhook in Lever shows a token of its own. Paste all of them, in any order; they hold at once, without a restart.";
    TOKENS_BOX = "Signature tokens";
    TOKENS_HINT = "Separated by blanks or lines. The tokens file is replaced as a whole.";
    TOKENS_SAVE = "Save tokens";
    TOKENS_SAVED = "Saved. Webhooks are checked with these tokens from now on.";
    TOKENS_ADMIN = "An administrator can paste them here.";
    TOKENS_KNOWN = "{} of 8 webhooks can be verified";
    HOOKS_SEEN = "{} of 8 have arrived since the start";
    PERMISSION = "Permission";
    STATE = "State";
    WITHOUT = "Without it";
    EXTRA = "extra";
    WORKS = "works";
    MISSING = "missing";
    CANNOT_TELL = "cannot be told";
    KEY_NOT_ASKED = "not asked yet";
    ASKED = "asked {}";
    ASK_AGAIN = "Ask Lever what the key may do";
    KEY_REFUSED = "Lever refuses the key: look whether its file holds the whole key";
    LEVER_UNREACHABLE = "Lever cannot be reached from here: look at the network and the proxy";
    KEY_MAY = "{} required permissions are there";
    KEY_IN = "The key is read from";
    KEY_SINCE = "last written";
    HOOK_URL_SECRET = "The secret part of the address is not shown; it is in the file that lever.hook_secret_file names.";
    COPY = "Copy";
    COPIED = "Copied";
    WEBHOOK = "Webhook";
    TOKEN = "Token";
    LAST_VERIFIED = "Last verified";
    TROUBLE_IS = "Trouble";
    HAS_TOKEN = "there";
    HAS_NO_TOKEN = "none";
    NOT_SEEN_YET = "not since the start";
    HOOK_NO_TOKEN = "one came, but there is no token for it: paste it below";
    HOOK_TOKEN_OF = "one came, signed with the token of \u{201c}{}\u{201d}: the two tokens are mixed up in the tokens file";
    HOOK_BAD_SIGNATURE = "one came with a signature that no known token makes: its token is missing, or was changed in Lever";
    SYNC = "Sync";
    SYNC_DONE = "Everything is synced.";
    SYNC_RUNS = "Anyone can be texted now: who is not synced yet is read from Lever at once.";
    SYNC_WAITING = "The sync has not begun.";
    REQUESTS_USED = "Requests used";
    RATE_USED = "Of Lever's rate in use";
    TIME_LEFT = "left";
    WITHOUT_EXTENSION = "Texting from within Lever";
    EXTENSION_WORDS = "The browser extension shows the conversation beside the candidate\u{2019}s profile in Lever.";
    EXTENSION_CHROMIUM = "For Chrome and Edge";
    EXTENSION_FIREFOX = "For Firefox";
    BOOKMARKLET_WORDS = "Without it: drag this to the bookmarks, and press it on a candidate\u{2019}s profile.";
    BOOKMARKLET = "Text in fulcrum";

    // System
    HEALTH = "Health";
    SINCE = "since";
    QUEUES = "Queues";
    LANES = "Lever\u{2019}s lanes";
    WAITING = "waiting";
    IN_FLIGHT = "Requests under way";
    THROTTLED = "Refused for the rate";
    DEADLINES = "Deadlines pending";
    INBOX_WAITING = "Webhooks to be processed";
    FOUND_BY_POLL = "Found by asking, not by webhook";
    STORE_SIZE = "Store";
    OPPORTUNITIES = "Opportunities";
    EFFECT = "Effect";
    VERSION = "Version";
    TASKS = "Background tasks";
    TASK = "Task";
    LAST_ERROR = "Last error";
    RESTARTS = "Restarts";
    RUNNING = "running";
    STOPPED = "stopped";
    NO_EFFECTS = "The outbox is empty.";

    // Activity
    ACTIVITY_WORDS = "What happened, to whom and why. The words of messages are not kept here.";
    KIND = "Kind";
    WHO = "Who";
    ABOUT = "About";
    WHAT = "What";
    TIME = "Time";
    ALL_KINDS = "Everything";
    FILTER = "Filter";
    EMPTY_ACTIVITY = "Nothing of that kind has happened.";
    FAILED_EFFECTS = "Waiting for a person";
    RETRY = "Try again";
    GIVE_UP = "Give up";
    ATTEMPTS = "Attempts";
    REASON = "Reason";

    // Messages
    FILED_ABOVE = "Filed as a note in Lever";
    LEAVES_AT = "leaves {}";
    QUEUED = "waits for its turn";
    SENDING = "on its way";
    SENT = "sent";
    DELIVERED = "delivered";
    NOT_SENT = "not sent";
    NOT_DELIVERED = "not delivered";
    TRY_MAIL = "Try e-mail or a call.";
    TRY_LATER = "Try again later.";
    TRY_OTHER_WORDS = "Try other words, without links.";
    TRY_NOT = "Do not text this number.";
    TRY_OPERATOR = "Tell whoever runs fulcrum.";
    TRY_SHORTER = "Send it in parts.";
    PICTURE = "picture";
    VIDEO = "video";
    AUDIO = "recording";
    FILE = "file";
    READ_ONLY = "Your role is to read. Recruiters can text.";
    COLLEAGUE_JUST_SENT = "{} texted them {} s ago.";
    US = "We";
    BADGE_OPTED_OUT = "opted out";
    BADGE_POSSIBLE = "opted out?";
    NO_SUCH_FAILURE = "No such effect has failed, or somebody was faster.";
    PROFILE = "Profile";
    FIRST_TEXT = "First text";
    FIRST_TEXT_WORDS = "Your organisation's name and how to opt out are added if they are missing.";
    ARCHIVED_SMALL = "archived";
    ARCHIVED_IN_LEVER = "Archived in Lever";
    MESSAGES_SMALL = "messages";
    HELD = "Held";
    ON_ITS_WAY = "On its way to Lever";
    DECIDED_HERE = "decided in the console";
}
