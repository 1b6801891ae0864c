//! Property tests: a log verifies in any wrapping, and damage in the wrapping is found.

use super::{Bench, WHOLE, lines, string, verdict};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;

/// One layer around a text.
#[derive(Clone, Debug)]
enum Layer {
    Member(String),
    Text(String),
    Element(bool),
    Base64(String),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_@.]{1,12}", Just("log".into()), Just("é\"".into())]
        .prop_filter("a record's own", |name| name != "audit")
}

fn layer() -> impl Strategy<Value = Layer> {
    prop_oneof![
        3 => name().prop_map(Layer::Member),
        3 => name().prop_map(Layer::Text),
        2 => any::<bool>().prop_map(Layer::Element),
        1 => name().prop_map(Layer::Base64),
    ]
}

impl Layer {
    fn wrap(&self, text: &str) -> String {
        match self {
            Layer::Member(name) => format!(r#"{{"before":[1,"x"],{}:{text},"z":null}}"#, string(name)),
            Layer::Text(name) => format!(r#"{{{}:{},"after":{{}}}}"#, string(name), string(text)),
            Layer::Element(true) => format!("[[ {text} ]]"),
            Layer::Element(false) => format!("[{text}]"),
            Layer::Base64(name) => format!(r#"{{{}:"{}"}}"#, string(name), STANDARD.encode(text)),
        }
    }

    fn is_string(&self) -> bool {
        matches!(self, Layer::Text(_) | Layer::Base64(_))
    }
}

/// The way in which texts are put together.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Lines,
    Nothing,
    Separators,
    Array,
    Envelope,
    Csv,
    Prefix,
    Utf16,
}

const FRAMINGS: [Framing; 8] = [
    Framing::Lines,
    Framing::Nothing,
    Framing::Separators,
    Framing::Array,
    Framing::Envelope,
    Framing::Csv,
    Framing::Prefix,
    Framing::Utf16,
];

impl Framing {
    fn frame(self, texts: &[String]) -> Vec<u8> {
        let each = |wrap: &dyn Fn(&String) -> String| texts.iter().map(wrap).collect::<String>();
        match self {
            Framing::Lines => each(&|text| format!("{text}\n")).into_bytes(),
            Framing::Nothing => texts.concat().into_bytes(),
            Framing::Separators => each(&|text| format!("\u{1e}{text}\n")).into_bytes(),
            Framing::Array => format!("[{}]", texts.join(",\n")).into_bytes(),
            Framing::Envelope => {
                format!(r#"{{"took":1,"all":[{}],"more":{{}}}}"#, texts.join(",")).into_bytes()
            }
            Framing::Csv => each(&|text| format!("7,\"{}\"\n", text.replace('"', "\"\""))).into_bytes(),
            Framing::Prefix => each(&|text| format!("2026-11-20T08:00:00Z stdout F {text}\n")).into_bytes(),
            Framing::Utf16 => {
                each(&|text| format!("{text}\n")).encode_utf16().flat_map(u16::to_be_bytes).collect()
            }
        }
    }
}

fn wrapped() -> impl Strategy<Value = (Vec<Layer>, Framing)> {
    let layers = vec(layer(), 0..5)
        .prop_filter("few strings", |layers| layers.iter().filter(|layer| layer.is_string()).count() <= 4);
    (layers, proptest::sample::select(&FRAMINGS[..]))
}

fn wrap(layers: &[Layer], framing: Framing, order: &[usize]) -> Vec<u8> {
    let layered = |at: &usize| layers.iter().fold(lines()[*at].clone(), |text, layer| layer.wrap(&text));
    // Texts in columns or behind other text have to be objects.
    let closed = |text: String| if text.starts_with('{') { text } else { format!(r#"{{"o":{text}}}"#) };
    framing.frame(&order.iter().map(layered).map(closed).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_wrapped_log_verifies(
        (layers, framing) in wrapped(),
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let bytes = wrap(&layers, framing, &order);
        let report = Bench::new().report("log", &bytes);
        prop_assert_eq!(verdict(&report), WHOLE, "{:?} {:?}: {:#}", layers, framing, report);
    }

    /// Damage around the records may leave all of them intact. It never loses a record
    /// without a finding.
    #[test]
    fn damage_is_found(
        (layers, framing) in wrapped(),
        at in any::<proptest::sample::Index>(),
        what in any::<u8>(),
        kind in 0..3,
    ) {
        let order: Vec<usize> = (0..6).collect();
        let mut bytes = wrap(&layers, framing, &order);
        let at = at.index(bytes.len());
        match kind {
            0 => bytes[at] = what,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, what),
        }
        let report = Bench::new().report("log", &bytes);
        let (verdict, records) = verdict(&report);
        let is_whole = (verdict, records) == WHOLE;
        prop_assert!(is_whole || report["exit_code"].as_u64() > Some(6), "{}: {:?} {:?} {} {} {}", report, layers, framing, at, what, kind);
    }
}
