//! The keys of `[store]`.

use fulcrum::config::Secret;

use crate::{Machine, minimal_and};

const ONE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn keys_are_a_credential_one_a_line_and_are_not_printed() {
    let machine = Machine::new(&minimal_and(""));
    assert!(machine.load().unwrap().store.keys.is_empty());
    machine.write("credentials/store-keys", &format!("{OTHER}\n\n  {ONE}\n"), 0o400);
    let config = machine.load().unwrap();
    let keys: Vec<_> = config.store.keys.iter().map(Secret::expose).collect();
    assert!(config.store.sealed && keys == [OTHER, ONE]);
    let printed = format!("{config:?}");
    assert!(!printed.contains(ONE) && !printed.contains(OTHER), "{printed}");
}

#[test]
fn what_is_no_key_is_told_without_being_repeated() {
    let machine = Machine::new(&minimal_and(""));
    for wrong in ["webhook-s3cr3t", &ONE[1..], &format!("{ONE}{OTHER}"), &format!("{ONE}\nwebhook-s3cr3t")] {
        machine.write("credentials/store-keys", wrong, 0o400);
        let told = machine.complaints();
        assert!(told.contains("store.keys_file: something else than keys"), "{told}");
        assert!(!told.contains(&ONE[1..]), "{told}");
    }
}
