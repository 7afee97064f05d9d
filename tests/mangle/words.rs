//! Texts: what candidates write, and what operators prepare for them.

use fulcrum_domain::booking::{self, Reply};
use fulcrum_domain::optout::{self, CarrierWords, Verdict};
use fulcrum_domain::template::{Field, Fields, SavedLinks, Template, Templates};
use fulcrum_domain::{Encoding, MAX_BODY_CHARS, Number, Segments, explain, tidy};

use crate::corpus::hold_text;

#[test]
fn a_text_is_read_counted_and_tidied_to_an_end() {
    let region = "US".parse().unwrap();
    hold_text("texts", |text| {
        let tidied = tidy(text);
        assert_eq!(tidy(&tidied), tidied, "{text:?}");
        assert_eq!(explain(text), Segments::of(&tidied));
        for segments in [Segments::of(text), explain(text)] {
            let (alone, each) = match segments.encoding {
                Encoding::Gsm7 => (160, 153),
                Encoding::Ucs2 => (70, 67),
            };
            let room = if segments.count == 1 { alone } else { each };
            assert!(segments.count >= 1 && segments.left <= room, "{segments:?}");
            assert!(segments.units + segments.left <= segments.count * room, "{segments:?}");
            assert_eq!(segments.encoding == Encoding::Ucs2, segments.culprit.is_some());
        }
        for suppressed in [false, true] {
            let verdict = optout::read(text, suppressed);
            // Whoever says it louder or with space around it says the same.
            assert_eq!(optout::read(&format!("\n {text}\u{a0} "), suppressed), verdict, "{text:?}");
            if let Verdict::OptOut { rule } | Verdict::PossibleOptOut { rule } = verdict {
                assert!(!rule.is_empty());
            }
        }
        if [CarrierWords::Twilio, CarrierWords::Telnyx].iter().any(|carrier| carrier.answer(text)) {
            assert!(!matches!(optout::read(text, false), Verdict::Answer), "{text:?}");
        }
        if let Reply::Number(number) = booking::read(text) {
            assert!((1..=3).contains(&number), "{text:?}");
        }
        if let Ok(number) = Number::parse(text, &region) {
            assert_eq!(Number::from_e164(&number.to_string()), Ok(number));
            assert_eq!(Number::parse(&number.to_string(), &region), Ok(number), "{text:?}");
        }
        true
    });
}

fn links() -> SavedLinks {
    SavedLinks::from([("jobs".to_owned(), "https://acme.example/jobs".to_owned())])
}

fn fields() -> Fields {
    let mut fields = Fields::default();
    for field in Field::ALL {
        fields.set(field, Some("abcdefghijklmnop"));
    }
    fields
}

#[test]
fn a_template_is_refused_or_fills_in_within_bounds() {
    let (links, whole) = (links(), fields());
    hold_text("templates", |text| {
        let template = match Template::new("a".into(), "A".into(), text.into(), &links) {
            Ok(template) => template,
            Err(flaws) => {
                assert!(!flaws.is_empty());
                // Bulk texts come here with words that nobody has looked at.
                let any = Templates::new(Vec::new(), links.clone());
                if let Ok(filled) = any.fill(text, &whole) {
                    assert!(filled.len() <= 4 << 20, "{} bytes", filled.len());
                }
                return false;
            }
        };
        let (wanted, names) = (template.fields(), template.names("Acme"));
        assert_eq!(
            Template::new("a".into(), "A".into(), template.text().into(), &links).as_ref(),
            Ok(&template)
        );
        assert!(!names || wanted.contains(&Field::OrgName) || text.to_lowercase().contains("acme"));
        let templates = Templates::new(vec![template], links.clone());
        if let Ok(filled) = templates.render("a", &whole) {
            assert!(filled.chars().count() <= MAX_BODY_CHARS);
            assert_eq!(templates.render("a", &whole), Ok(filled));
        }
        let _ = templates.render("a", &Fields::default());
        true
    });
}
