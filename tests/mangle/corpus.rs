//! The inputs on file, and what chance makes of them.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

/// More than an input has after all that is done to it.
const BYTES_MAX: usize = 64 << 10;

/// A file of the corpus.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    name: String,
    bytes: Vec<u8>,
}

/// Something that is done to an input. Places are shares of its length, so that they fit any.
#[derive(Clone, Debug)]
enum Blow {
    Set(Index, u8),
    Put(Index, Vec<u8>),
    Take(Index, Index),
    /// A piece comes again so often, where it stands.
    Repeat(Index, Index, u8),
    /// The rest is that of another input.
    Cross(Index, Vec<u8>, Index),
}

fn folder(reader: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mangle/corpus").join(reader)
}

fn inputs(reader: &str) -> Vec<Input> {
    let files = fs::read_dir(folder(reader)).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<Input> = files
        .filter(|path| !path.ends_with("words"))
        .map(|path| Input {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            bytes: fs::read(&path).unwrap(),
        })
        .collect();
    inputs.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    assert!(!inputs.is_empty(), "{reader} has no inputs");
    inputs
}

/// What a mangled input may get; `\xNN`, `\u{…}` and the like mean what they mean in Rust.
fn words(reader: &str) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(folder(reader).join("words")).unwrap();
    text.lines().map(word).collect()
}

fn word(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (kind, after) = after.split_at(1);
        rest = match kind {
            "x" => {
                bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
                &after[2..]
            }
            "u" => {
                let (hex, after) = after[1..].split_once('}').unwrap();
                let c = char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap();
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                after
            }
            plain => {
                bytes.push(match plain {
                    "n" => b'\n',
                    "r" => b'\r',
                    "t" => b'\t',
                    other => other.as_bytes()[0],
                });
                after
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn blow(words: Vec<Vec<u8>>, others: Vec<Vec<u8>>) -> impl Strategy<Value = Blow> {
    let place = any::<Index>;
    prop_oneof![
        1 => (place(), any::<u8>()).prop_map(|(at, byte)| Blow::Set(at, byte)),
        1 => (place(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Blow::Put(at, bytes)),
        3 => (place(), select(words)).prop_map(|(at, word)| Blow::Put(at, word)),
        1 => (place(), place()).prop_map(|(from, to)| Blow::Take(from, to)),
        1 => (place(), place(), 1..40u8).prop_map(|(from, to, times)| Blow::Repeat(from, to, times)),
        1 => (place(), select(others), place()).prop_map(|(at, other, from)| Blow::Cross(at, other, from)),
    ]
}

fn strike(mut bytes: Vec<u8>, blows: Vec<Blow>) -> Vec<u8> {
    for blow in blows {
        // One more, since there is a place behind the last byte too.
        let place = |at: Index| at.index(bytes.len() + 1);
        let span = |from: Index, to: Index| {
            let (one, other) = (place(from), place(to));
            one.min(other)..one.max(other)
        };
        match blow {
            Blow::Set(at, byte) => {
                let at = place(at);
                if let Some(old) = bytes.get_mut(at) {
                    *old = byte;
                }
            }
            Blow::Put(at, more) => {
                let at = place(at);
                drop(bytes.splice(at..at, more));
            }
            Blow::Take(from, to) => drop(bytes.drain(span(from, to))),
            Blow::Repeat(from, to, times) => {
                let span = span(from, to);
                let piece = bytes[span.clone()].repeat(times.into());
                drop(bytes.splice(span.end..span.end, piece));
            }
            Blow::Cross(at, other, from) => {
                bytes.truncate(place(at));
                bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
        }
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

/// Holds `check` against every input of the reader, against these mangled, and against any bytes. It
/// gives back whether the input was taken.
pub(crate) fn hold(reader: &str, check: impl Fn(&[u8]) -> bool) {
    let inputs = inputs(reader);
    for Input { name, bytes } in &inputs {
        assert_eq!(check(bytes), !name.starts_with("bad-"), "{reader}/{name}");
    }
    let seeds: Vec<Vec<u8>> = inputs.into_iter().map(|input| input.bytes).collect();
    let mangled = (select(seeds.clone()), vec(blow(words(reader), seeds), 1..9))
        .prop_map(|(bytes, blows)| strike(bytes, blows));
    let any_bytes = vec(any::<u8>(), 0..300);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let run = runner.run(&prop_oneof![9 => mangled, 1 => any_bytes], |bytes| {
        check(&bytes);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{reader}: {error}");
    }
}

/// The same for a reader of text: what is no UTF-8 never comes so far.
pub(crate) fn hold_text(reader: &str, check: impl Fn(&str) -> bool) {
    hold(reader, |bytes| check(&String::from_utf8_lossy(bytes)));
}
