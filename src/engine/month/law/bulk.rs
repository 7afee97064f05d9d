//! Bulk texts: nobody gets one twice, nobody who was left out gets one, and none leaves before as many people
//! have agreed as must, nor after somebody has stopped it.

use std::collections::BTreeSet;

use fulcrum_domain::bulk::{BulkId, BulkState, Recipient, RecipientState};
use fulcrum_domain::{Message, Number, Sight};

use super::super::Month;
use super::super::settings::open_day;
use crate::engine::changes;
use crate::store::Read;
use crate::store::tables::OPPORTUNITIES;

/// A bulk text, as those saw it who let it go.
pub(super) struct Invitation {
    id: BulkId,
    sight: Sight,
    /// The numbers that were to get it.
    to: BTreeSet<Number>,
    /// Whether it may leave now.
    goes: bool,
}

impl Month {
    /// What a recruiter sees before they confirm.
    pub(in crate::engine::month) fn look_at_preview(
        &mut self,
        number: u32,
        id: BulkId,
        recipients: &[Recipient],
        sight: Sight,
    ) {
        let mut to = BTreeSet::new();
        for one in recipients.iter().filter(|one| one.state == RecipientState::Waiting) {
            let row = self.read(|snapshot| snapshot.get(OPPORTUNITIES, &one.opportunity));
            let Some(phone) = row.and_then(|row| row.number()) else {
                self.broken(format_args!("{} is to be texted and has no number", one.opportunity));
            };
            if !to.insert(phone) {
                self.broken(format_args!("{phone} is to get a bulk text twice"));
            }
            if self.law.opted_out(phone, self.now) {
                self.broken(format_args!("{phone}, who opted out, is to get a bulk text"));
            }
            if sight == Sight::Open && self.people.confidential.contains(&one.opportunity) {
                self.broken(format_args!("who may not see {} is to text them", one.opportunity));
            }
        }
        self.law.invitations.insert(number, Invitation { id, sight, to, goes: false });
    }

    pub(in crate::engine::month) fn law_approves(&mut self) {
        self.law.tally.approved += 1;
    }

    pub(in crate::engine::month) fn law_lets_go(&mut self, number: u32, goes: bool) {
        if let Some(invitation) = self.law.invitations.get_mut(&number) {
            invitation.goes = goes;
        }
    }

    /// The last check has let one go.
    pub(super) fn look_at_invitation(&mut self, text: &Message, to: Number) {
        let Some((number, _)) = open_day(text.body.reveal()) else {
            self.broken(format_args!("a bulk text leaves that nobody has written"));
        };
        let Some(invitation) = self.law.invitations.get(&number) else {
            self.broken(format_args!("a bulk text leaves that nobody has made"));
        };
        // One that was at the carrier's door before is tried again: that cannot be called back.
        if !invitation.goes && !self.law.tried.contains(&text.id) {
            self.broken(format_args!("bulk text {number} leaves for {to}, and nobody lets it"));
        }
        if !invitation.to.contains(&to) {
            self.broken(format_args!("bulk text {number} leaves for {to}, who was left out"));
        }
        let about = text.opportunity.as_ref();
        if invitation.sight == Sight::Open && about.is_some_and(|id| self.people.confidential.contains(id)) {
            self.broken(format_args!("bulk text {number} is about somebody whom its sender may not see"));
        }
    }

    /// One is at the carrier.
    pub(super) fn look_at_invited(&mut self, body: &str, to: Number) {
        let Some((number, again)) = open_day(body) else { return };
        self.law.tally.bulk_texts += 1;
        if !self.law.invited.insert((number, again, to)) {
            self.broken(format_args!("{to} gets bulk text {number} twice"));
        }
        if again && !self.law.invited.contains(&(number, false, to)) {
            self.broken(format_args!("{to} is reminded of bulk text {number}, which they never got"));
        }
    }

    /// Everybody's turn has come in what was let go.
    pub(super) fn look_at_invitations(&self) {
        for (number, invitation) in self.law.invitations.iter().filter(|(_, one)| one.goes) {
            let state = self.state_of_bulk(invitation.id);
            let all = self.read(|snapshot| changes::all_recipients(snapshot, invitation.id));
            let waits = all.iter().any(|(_, one)| one.state == RecipientState::Waiting);
            if state != Some(BulkState::Done) || waits {
                self.broken(format_args!("bulk text {number} never came to its end: {state:?}"));
            }
        }
    }
}
