//! Ids that carry their own index.
//!
//! A million ids in a map would cost more than the tenant itself. Here the first 32 bits of a UUID are the
//! index under a bijection, the other bits follow from seed, kind and index; so an id is looked up by
//! computing it again, and comparing the first 32 bits is comparing ids.

use uuid::Uuid;

use crate::dice::Dice;

/// What an id names; an id of one kind is none of another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Opportunity = 1,
    Contact,
    Application,
    Interview,
    Panel,
    User,
    Posting,
    Stage,
    Reason,
    Form,
    Question,
}

/// Makes and reads the tenant's ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    seed: u64,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The id of the `index`th thing of its kind.
    pub(super) fn id(self, kind: Kind, index: u32) -> String {
        let mut dice = Dice::new(self.seed, kind as u64, index.into());
        let bits = u128::from(self.head(kind, index)) << 96
            | u128::from(dice.next() >> 32) << 64
            | u128::from(dice.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
    }

    /// The index that `id` carries, if it is an id of this kind in this tenant. The index may be out of
    /// range.
    pub(super) fn index(self, kind: Kind, id: &str) -> Option<u32> {
        let index = self.index_of_head(kind, head_of(id)?);
        (self.id(kind, index) == id).then_some(index)
    }

    /// The first 32 bits of the id: the order of ids is the order of heads.
    pub(super) fn head(self, kind: Kind, index: u32) -> u32 {
        scramble(index ^ self.key(kind))
    }

    /// The index whose id has this head.
    pub(super) fn index_of_head(self, kind: Kind, head: u32) -> u32 {
        unscramble(head) ^ self.key(kind)
    }

    fn key(self, kind: Kind) -> u32 {
        Dice::new(self.seed, kind as u64, u64::MAX).next() as u32
    }
}

/// The first 32 bits of any UUID.
pub(super) fn head_of(id: &str) -> Option<u32> {
    Uuid::try_parse(id).ok().map(|uuid| (uuid.as_u128() >> 96) as u32)
}

/// A bijection of 32 bits that leaves no visible order.
fn scramble(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7FEB_352D);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

/// Undoes [`scramble`]; the factors are the inverses of its factors modulo 2^32.
fn unscramble(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x4302_1123);
    x ^= (x >> 15) ^ (x >> 30);
    x = x.wrapping_mul(0x1D69_E2A5);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_gives_its_index_back(seed: u64, index: u32) {
            let ids = Ids::new(seed);
            let id = ids.id(Kind::Opportunity, index);
            prop_assert_eq!(ids.index(Kind::Opportunity, &id), Some(index));
            prop_assert_eq!(head_of(&id), Some(ids.head(Kind::Opportunity, index)));
            prop_assert_eq!(ids.index(Kind::Contact, &id), None);
        }
    }

    #[test]
    fn a_foreign_id_is_none_of_ours() {
        assert_eq!(Ids::new(1).index(Kind::Opportunity, "4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f"), None);
        assert_eq!(Ids::new(1).index(Kind::Opportunity, "applicant-new"), None);
    }
}
