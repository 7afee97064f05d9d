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
    NOT_ALLOWED = "Not allowed";
    NOT_ALLOWED_WORDS = "Your role does not include this page. An administrator can change your role.";
    GONE = "Deleted";
    GONE_WORDS = "This candidate was deleted in Lever, and their data was erased here.";
    TROUBLE = "That did not work";

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
    CANDIDATE = "Candidate";
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
    NOTE = "Note";
    QUIET = "It is outside the hours in which candidates are texted. A reply is allowed; better send it in the morning.";
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
}
