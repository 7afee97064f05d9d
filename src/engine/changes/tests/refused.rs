//! Bulk texts that the carrier takes and then refuses one by one.

use fulcrum_domain::bulk::{
    Audience, Bulk, BulkId, BulkState, Recipient as Listed, RecipientState, Step as Taken,
};
use fulcrum_domain::template::Version;

use super::*;
use crate::store::tables::{BULKS, RECIPIENTS};

fn person(n: u8, now: Timestamp) -> (OpportunityId, Opportunity) {
    let (_, row) = opportunity(0, true, now);
    let number = Number::from_e164(&format!("+120255502{n:02}")).unwrap();
    let phones = vec![Phone { kind: None, number: Some(number), raw: None }];
    let contact = format!("contact-{n}").parse().unwrap();
    (format!("opportunity-{n}").parse().unwrap(), Opportunity { contact, phones, ..row })
}

/// A bulk text that nobody has confirmed yet.
pub(super) fn open_day(template: Version, made_at: Timestamp) -> Bulk {
    Bulk {
        name: "Open day".into(),
        template,
        nudge: None,
        audience: Audience::default(),
        bad_rows: Vec::new(),
        sender: None,
        sender_name: "Priya".into(),
        made_by: "priya".into(),
        made_at,
        state: BulkState::Draft,
    }
}

/// A bulk text that goes, to so many.
pub(super) fn begun(life: &Life, recipients: u8) -> BulkId {
    let now = life.now;
    life.change(move |tx, moment| {
        let mut listed = Vec::new();
        for n in 0..recipients {
            let (id, row) = person(n, now);
            put_opportunity(tx, &id, row, None, Arrival::Poll, &rules(), now)?;
            listed.push(Listed { opportunity: id, consents: None, state: RecipientState::Waiting });
        }
        let bulk = open_day(Version { id: "open-day".into(), hash: [0; 16] }, now);
        let id = make_bulk(tx, &bulk, listed)?;
        let confirmed = Taken::Confirm { recipients: recipients.into() };
        step_bulk(tx, id, confirmed, &"priya".into(), 250, &rules(), moment).unwrap();
        Ok(id)
    })
}

/// Writes the text of somebody whose turn it is.
pub(super) fn written(life: &mut Life, id: BulkId, place: u64) -> MessageId {
    life.now = life.now.checked_add(SignedDuration::from_secs(1)).unwrap();
    life.count += 1;
    life.change(move |tx, moment| {
        let recipient = tx.get(RECIPIENTS, &(id, place))?.unwrap();
        let draft = Draft {
            to: Recipient::Opportunity(recipient.opportunity.clone()),
            body: Body::new("Come and see us."),
            author: Author::Automatic("Open day".into()),
            purpose: Purpose::Bulk,
            from: None,
            send_at: None,
            cannot_wait: None,
        };
        let text = compose(tx, draft, &rules(), moment).unwrap().id;
        move_on(tx, id, place, recipient, RecipientState::Written(text))?;
        Ok(text)
    })
}

/// The carrier takes a text, and tells its end. How far the bulk text is then.
fn ends(life: &mut Life, id: BulkId, place: u64, failure: Option<SendFailure>) -> BulkState {
    let text = written(life, id, place);
    life.change(move |tx, moment| {
        begin_send(tx, text, &rules(), moment)?.expect("it may leave");
        let sid = Some(format!("SM{place}").parse().unwrap());
        let taken = Report { delivery: Delivery::Accepted, failure: None, sid };
        settle_send(tx, text, taken, &rules(), moment)?;
        let delivery = if failure.is_some() { Delivery::Failed } else { Delivery::Delivered };
        report(tx, text, Report { delivery, failure, sid: None }, &rules(), moment)?;
        let text = message(tx, text)?.unwrap();
        pause_refused_bulk(tx, &text, &rules(), moment)?;
        Ok(tx.get(BULKS, &id)?.unwrap().state)
    })
}

#[test]
fn a_bulk_text_waits_for_a_person_once_its_texts_fail_for_our_account() {
    let mut life = Life::new();
    let id = begun(&life, 20);
    let config = Some(SendFailure::Config);
    let row = [config, config, config, config, None, config, config, Some(SendFailure::Landline)];
    for (place, failure) in (1..).zip(row.into_iter().chain([config; 4])) {
        assert_eq!(ends(&mut life, id, place, failure), BulkState::Running, "{place}");
    }
    // One is written and has not left when the fifth in a row fails.
    written(&mut life, id, 14);
    assert_eq!(ends(&mut life, id, 13, config), BulkState::Paused);
    life.change(move |tx, _| {
        assert_eq!(tx.get(RECIPIENTS, &(id, 14))?.unwrap().state, RecipientState::Waiting);
        let told = tx.list_back(ACTIVITY, &Keys::all(), 5)?;
        let why = "the account at the carrier is not in order";
        assert!(told.iter().any(|(_, line)| line.detail.contains(why)), "{told:?}");
        Ok(())
    });
    // A person lets it go on, and nothing is mended.
    life.change(move |tx, moment| {
        step_bulk(tx, id, Taken::Resume, &"priya".into(), 250, &rules(), moment).unwrap();
        Ok(())
    });
    assert_eq!(ends(&mut life, id, 15, None), BulkState::Running);
    for place in 16..20 {
        assert_eq!(ends(&mut life, id, place, config), BulkState::Running);
    }
    assert_eq!(ends(&mut life, id, 20, config), BulkState::Paused);
}
