//! The vectors of `segments.json` hold for the daemon's counting; `tests/browser/segments.test.mjs` holds
//! the console's to the same.

use fulcrum_domain::{Encoding, explain};
use serde_json::{Value, json};

#[test]
fn the_daemon_counts_as_the_vectors_say() {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../../src/domain/data/segments.json")).unwrap();
    assert!(vectors.len() > 40);
    for vector in &vectors {
        let got = explain(vector["text"].as_str().unwrap());
        let encoding = match got.encoding {
            Encoding::Gsm7 => "GSM-7",
            Encoding::Ucs2 => "UCS-2",
        };
        let forced_by = got.culprit.map(|(at, char)| json!({ "char": char, "at": at }));
        let explained = json!({
            "text": vector["text"], "encoding": encoding, "segments": got.count,
            "units": got.units, "left": got.left, "forced_by": forced_by,
        });
        assert_eq!(&explained, vector);
    }
}
