//! Every word of the booking pages.

pub(super) const NO_SUCH_LINK: &str = "This link leads nowhere";
pub(super) const NO_SUCH_LINK_WORDS: &str =
    "Please open it exactly as it stands in the text that you got, or answer that text.";
pub(super) const TOO_MANY: &str = "Too many wrong links";
pub(super) const TOO_MANY_WORDS: &str = "Please wait an hour, or answer the text that you got.";
pub(super) const TOO_OFTEN: &str = "Too many requests";
pub(super) const TOO_OFTEN_WORDS: &str = "Please wait a moment, then open the link again.";
pub(super) const TRY_AGAIN: &str = "Please try again in a moment.";
pub(super) const STALE: &str = "The page was not up to date any more. Please choose again.";
pub(super) const STALE_STANDS: &str = "The page was not up to date any more. This is how it stands now.";
pub(super) const NOT_FREE: &str = "Sorry, that time was just taken. Please choose another one.";
pub(super) const CHOOSE_ONE: &str = "Please choose a time.";
pub(super) const FIXED: &str = "It cannot be changed here any more. Please answer our text instead.";
pub(super) const MOVED_ENOUGH: &str =
    "It was moved twice, and cannot be moved here again. Please answer our text if the time does not suit.";
pub(super) const TOO_LATE: &str =
    "It is so soon that it cannot be moved here any more. Please answer our text if the time does not suit.";
pub(super) const BOOKED_NOW: &str = "You are booked for";
pub(super) const OVER: &str = "This link is not good any more. Please answer our text instead.";
pub(super) const WISH_LENGTH: &str = "Please write which times would suit, in 500 characters at most.";
pub(super) const WISH_TAKEN: &str = "Thank you";
pub(super) const WISH_TAKEN_WORDS: &str = "We have your times and get back to you by text.";
pub(super) const CHOOSE: &str = "Choose a time";
pub(super) const CHOOSE_OTHER: &str = "Choose another time";
pub(super) const MINUTES: &str = "minutes";
pub(super) const TIMES_IN: &str = "Times are shown for";
pub(super) const SHOW: &str = "Show";
pub(super) const BOOK: &str = "Book this time";
pub(super) const MOVE_HERE: &str = "Move to this time";
pub(super) const NONE_FREE: &str = "There is no free time at the moment.";
pub(super) const NONE_SUITS: &str = "No time suits?";
pub(super) const WISH: &str = "Times that would suit you";
pub(super) const SEND_WISH: &str = "Send";
pub(super) const BOOKED: &str = "You are booked";
pub(super) const TO_CALENDAR: &str = "Add to your calendar";
pub(super) const MOVE: &str = "Choose another time";
pub(super) const CALL_OFF: &str = "Call it off";
pub(super) const CALL_OFF_SURE: &str = "Yes, call it off";
pub(super) const KEEP: &str = "Keep the time that is booked";
pub(super) const ENDED: &str = "This link has ended";
pub(super) const EXPIRED: &str = "Its days are over. Please answer our text, and we send you a new one.";
pub(super) const CALLED_OFF: &str =
    "The meeting is called off. Please answer our text if you want another one.";
pub(super) const NOT_OPEN: &str = "There is nothing to be booked with it any more. Please answer our text.";
