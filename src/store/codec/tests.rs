//! What is written is read as it was, and keys stand in the order of what they mean: whoever lists a range of a
//! table goes by both.

use std::fmt::Debug;

use fulcrum_domain::{
    Attachment, Author, Body, Conversation, Delivery, Direction, EffectRow, Lane, Message, Purpose, User,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;

/// A key is read as it was written, and leaves what follows it alone.
fn is_read<K: Key + PartialEq + Debug>(key: &K) -> TestCaseResult {
    let mut bytes = key.bytes();
    bytes.extend(b"\xffmore");
    let mut rest = bytes.as_slice();
    let read = K::read(&mut rest);
    prop_assert_eq!(read.as_ref(), Some(key));
    prop_assert_eq!(rest, b"\xffmore");
    // Cut off anywhere, it is none.
    let whole = key.bytes();
    for length in 0..whole.len() {
        prop_assert_eq!(K::read(&mut &whole[..length]), None);
    }
    Ok(())
}

/// The same for what is the last part of a key only.
fn ends<K: Key + PartialEq + Debug>(key: &K) -> TestCaseResult {
    let bytes = key.bytes();
    let mut rest = bytes.as_slice();
    let read = K::read(&mut rest);
    prop_assert_eq!(read.as_ref(), Some(key));
    prop_assert_eq!(rest.len(), 0);
    Ok(())
}

fn in_order<K: Key + Ord + Debug>(one: &K, other: &K) -> TestCaseResult {
    prop_assert_eq!(one.bytes().cmp(&other.bytes()), one.cmp(other), "{:?} and {:?}", one, other);
    Ok(())
}

/// Neither is a beginning of the other, so that those of one are not found among those of the other.
fn apart<K: Key + PartialEq + Debug>(one: &K, other: &K) -> TestCaseResult {
    prop_assert!(one == other || !one.bytes().starts_with(&other.bytes()), "{:?} and {:?}", one, other);
    Ok(())
}

fn fixed<K: Key + Ord + Debug>(one: &K, other: &K) -> TestCaseResult {
    is_read(one)?;
    in_order(one, other)
}

fn delimited<K: Key + PartialEq + Debug>(one: &K, other: &K) -> TestCaseResult {
    is_read(one)?;
    apart(one, other)
}

/// From the epoch on, to the millisecond, as far as jiff goes.
fn time() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::MAX.as_millisecond()).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
}

fn number() -> impl Strategy<Value = Number> {
    (1_000_000u64..1_000_000_000_000_000).prop_map(|digits| Number::from_u64(digits).unwrap())
}

fn uuid() -> impl Strategy<Value = String> {
    any::<u128>().prop_map(|number| uuid::Uuid::from_u128(number).to_string())
}

/// An id of Lever's: mostly a UUID, sometimes a word.
fn lever<T: std::str::FromStr<Err: Debug> + Debug>() -> impl Strategy<Value = T> {
    prop_oneof![uuid(), "[a-zA-Z0-9_-]{1,128}"].prop_map(|text: String| text.parse().unwrap())
}

fn own<T: std::str::FromStr<Err: Debug> + Debug>() -> impl Strategy<Value = T> {
    uuid().prop_map(|text| text.parse().unwrap())
}

fn account() -> impl Strategy<Value = Account> {
    "[a-z0-9.+ä]{1,60}@[a-z.]{1,60}".prop_map(|text| text.parse().unwrap())
}

fn sid() -> impl Strategy<Value = CarrierSid> {
    "[A-Za-z0-9_-]{1,64}".prop_map(|text| text.parse().unwrap())
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        own().prop_map(Effect::Send),
        own().prop_map(Effect::PostNote),
        lever().prop_map(Effect::Hydrate),
        lever().prop_map(Effect::Interviews),
        (any::<u64>(), lever(), lever()).prop_map(|(erasure, opportunity, note)| Effect::DeleteNote(
            ErasureId::new(erasure),
            opportunity,
            note
        )),
        (any::<u64>(), sid()).prop_map(|(erasure, sid)| Effect::DeleteText(ErasureId::new(erasure), sid)),
        any::<u64>().prop_map(|id| Effect::Appointment(AppointmentId::new(id))),
        (own(), any::<u8>()).prop_map(|(message, place)| Effect::FetchFile(message, place)),
    ]
}

fn shelf() -> impl Strategy<Value = Shelf> {
    prop_oneof![
        (0..Folder::ALL.len()).prop_map(|place| Shelf::Folder(Folder::ALL[place])),
        account().prop_map(Shelf::Mine),
    ]
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        any::<u64>().prop_map(|id| Subject::Conversation(ConversationId::new(id))),
        lever().prop_map(Subject::Opportunity),
    ]
}

proptest! {
    #[test]
    fn numbers_times_and_digests_are_keys_in_their_order(
        small in any::<(u8, u8)>(),
        large in any::<(u64, u64)>(),
        times in (time(), time()),
        numbers in (number(), number()),
        digests in any::<([u8; 16], [u8; 16])>(),
        texts in any::<(String, String)>(),
    ) {
        fixed(&small.0, &small.1)?;
        fixed(&large.0, &large.1)?;
        fixed(&times.0, &times.1)?;
        fixed(&numbers.0, &numbers.1)?;
        fixed(&digests.0, &digests.1)?;
        ends(&texts.0)?;
        in_order(&texts.0, &texts.1)?;
        ends(&())?;
        let before = Timestamp::UNIX_EPOCH - jiff::SignedDuration::from_secs(1);
        prop_assert_eq!(before.bytes(), Timestamp::UNIX_EPOCH.bytes());
    }

    #[test]
    fn ids_are_keys_in_their_order(
        (one, other) in any::<(u64, u64)>(),
        messages in (own::<MessageId>(), own::<MessageId>()),
        filings in (own::<FilingId>(), own::<FilingId>()),
        sessions in any::<([u8; 16], [u8; 16])>(),
    ) {
        fixed(&ConversationId::new(one), &ConversationId::new(other))?;
        fixed(&ErasureId::new(one), &ErasureId::new(other))?;
        fixed(&BookingId::new(one), &BookingId::new(other))?;
        fixed(&AppointmentId::new(one), &AppointmentId::new(other))?;
        fixed(&EnrolmentId::new(one), &EnrolmentId::new(other))?;
        fixed(&BulkId::new(one), &BulkId::new(other))?;
        fixed(&messages.0, &messages.1)?;
        fixed(&filings.0, &filings.1)?;
        fixed(&SessionId::new(sessions.0), &SessionId::new(sessions.1))?;
    }

    #[test]
    fn ids_of_levers_and_names_say_where_they_end(
        opportunities in (lever::<OpportunityId>(), lever::<OpportunityId>()),
        stages in (lever::<StageId>(), lever::<StageId>()),
        users in (lever::<UserId>(), lever::<UserId>()),
        accounts in (account(), account()),
        shelves in (shelf(), shelf()),
        subjects in (subject(), subject()),
        sids in (sid(), sid()),
    ) {
        delimited(&opportunities.0, &opportunities.1)?;
        delimited(&stages.0, &stages.1)?;
        delimited(&users.0, &users.1)?;
        delimited(&accounts.0, &accounts.1)?;
        delimited(&shelves.0, &shelves.1)?;
        delimited(&subjects.0, &subjects.1)?;
        ends(&sids.0)?;
        in_order(&sids.0, &sids.1)?;
    }

    #[test]
    fn an_effect_is_a_key(one in effect(), other in effect()) {
        match &one {
            Effect::DeleteText(..) => ends(&one)?,
            _ => delimited(&one, &other)?,
        }
        prop_assert!(one == other || one.bytes() != other.bytes());
    }

    /// What a table lists for somebody stands in order of time, and nobody else's in between.
    #[test]
    fn a_key_of_parts_stands_by_its_first_part_then_by_the_next(
        shelves in (shelf(), shelf()),
        times in (time(), time()),
        ids in any::<(u64, u64)>(),
        effects in (effect(), effect()),
    ) {
        let key = |shelf: &Shelf, time, id| (shelf.clone(), time, ConversationId::new(id));
        let (one, other) = (key(&shelves.0, times.0, ids.0), key(&shelves.0, times.1, ids.1));
        fixed(&one, &other)?;
        let theirs = key(&shelves.1, times.1, ids.1);
        prop_assert_eq!(theirs.bytes().starts_with(&shelves.0.bytes()), shelves.0 == shelves.1);
        let due = |lane: u8, time, effect: &Effect| (1u8, (lane, time, effect.clone()));
        let (first, second) = (due(1, times.0, &effects.0), due(1, times.1, &effects.1));
        ends(&first)?;
        if times.0 != times.1 {
            prop_assert_eq!(first.bytes().cmp(&second.bytes()), times.0.cmp(&times.1));
        }
        prop_assert!(first.bytes() < due(2, Timestamp::UNIX_EPOCH, &effects.1).bytes());
    }

    #[test]
    fn rows_are_read_as_they_were_written(
        (id, filing) in (own::<MessageId>(), proptest::option::of(own::<FilingId>())),
        (at, submitted_at) in (time(), proptest::option::of(time())),
        (number, ours) in (number(), number()),
        opportunity in proptest::option::of(lever::<OpportunityId>()),
        sid in proptest::option::of(sid()),
        (body, name, url) in any::<(String, String, String)>(),
        (thread, flag) in any::<(u64, bool)>(),
    ) {
        let conversation = ConversationId::new(thread);
        let author = match (flag, &opportunity) {
            (true, _) => Author::Staff { user: None, name: name.clone() },
            (false, Some(_)) => Author::Automatic(name.clone()),
            (false, None) => Author::Candidate,
        };
        let message = Message {
            id,
            conversation,
            direction: if flag { Direction::Out } else { Direction::In },
            at,
            author,
            body: Body::new(body),
            attachments: vec![Attachment { media_type: name.clone(), url }; usize::from(flag)],
            our_number: ours,
            purpose: Purpose::Bulk,
            opportunity: opportunity.clone(),
            delivery: Delivery::Undelivered,
            failure: None,
            sid,
            rule: flag.then(|| name.clone()),
            filing,
            submitted_at,
        };
        prop_assert!(decode::<Message>(&encode(&message).unwrap()) == Ok(message));
        let conversation = Conversation {
            opportunity,
            deadline: submitted_at,
            last_message_at: Some(at),
            texted: flag,
            late_failures: vec![id],
            ..Conversation::new(conversation, number)
        };
        prop_assert!(decode::<Conversation>(&encode(&conversation).unwrap()) == Ok(conversation));
        let row = EffectRow { last_error: Some(name.clone()), again: flag, ..EffectRow::new(Lane::Live, at, at) };
        prop_assert!(decode::<EffectRow>(&encode(&row).unwrap()) == Ok(row));
        let user = User { name, email: "ana@acme.example".into(), active: flag };
        let bytes = encode(&user).unwrap();
        prop_assert!(decode::<User>(&bytes) == Ok(user));
        prop_assert!(decode::<User>(&bytes[..bytes.len() - 1]).is_err());
        prop_assert_eq!(decode::<User>(&[&[User::VERSION + 1], &bytes[1..]].concat()).err(), Some(User::VERSION + 1));
    }

    #[test]
    fn no_bytes_that_are_read_as_a_key_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = Effect::read(&mut &bytes[..]);
        let _ = Shelf::read(&mut &bytes[..]);
        let _ = Subject::read(&mut &bytes[..]);
        let _ = <(OpportunityId, Timestamp, Number)>::read(&mut &bytes[..]);
        let _ = decode::<Message>(&bytes);
    }
}

/// A map of unknown length, which postcard cannot write.
#[derive(serde::Deserialize)]
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde::ser::SerializeMap::end(serializer.serialize_map(None)?)
    }
}

impl Stored for Unwritable {
    const VERSION: u8 = 1;
}

#[test]
fn what_cannot_be_written_is_an_error_and_no_empty_row() {
    assert!(encode(&Unwritable).is_none());
}
