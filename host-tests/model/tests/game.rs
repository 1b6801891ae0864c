//! Plays a few hundred games in which model and product must say the same, and only what
//! is true. `GAMES` sets about how many games: each fleet plays several.

mod product;

use flb_audit_model::game::{Fleet, Step, attack, check, honest};
use flb_audit_model::model::{Log, verify};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn script(steps: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    vec((any::<u8>(), any::<u16>(), any::<u16>()), steps)
}

/// The most games for one fleet. What it seals is the same in all of them.
const GAMES_OF_FLEET_MAX: usize = 19;

/// Plays one game.
fn play(fleet: &Fleet, moves: &[Step], known: u16, files: usize) -> Result<(), TestCaseError> {
    let mut log: Log = fleet.log(known);
    attack(&mut log, moves, fleet.stolen.as_ref());
    let model = verify(&log);
    let shown =
        || format!("\n{}\nroster {:?}\nanchors {:?}\n", log.lines.join("\n"), log.roster, log.anchors);
    if let Err(wrong) = check(fleet, &log, &model) {
        return Err(TestCaseError::fail(format!("{wrong}{}", shown())));
    }
    if moves.is_empty() && !fleet.has_lost_state {
        let fine = ["intact", "tail_unanchored", "unclean_stop", "nothing_found"];
        let is_fine = fine.contains(&model.verdict()) || fleet.has_lost_records;
        prop_assert!(is_fine, "honest, and {:?}{}", model.findings, shown());
    }
    // To write and merge parts takes longer than all the rest.
    let product = product::verify(&log, files, files == 2);
    let kinds: Vec<&str> = model.findings.keys().copied().collect();
    let mut of_product: Vec<&str> =
        product["counts"].as_object().expect("counts").keys().map(String::as_str).collect();
    of_product.sort_unstable();
    // In a tampered log, other findings depend on which record counts as the tampered
    // one.
    let is_tampered = model.verdict() == "tampered";
    prop_assert!(
        product["verdict"] == model.verdict()
            && (is_tampered || kinds == of_product && product["signed"] == model.covered.len()),
        "model {:?} signed {}, product {} signed {}{}",
        model.findings,
        model.covered.len(),
        product["findings"],
        product["signed"],
        shown()
    );
    Ok(())
}

#[test]
fn the_verifier_wins() {
    let games = std::env::var("GAMES").ok().and_then(|games| games.parse().ok());
    let seed: u8 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let config = Config {
        cases: (games.unwrap_or(300) / (GAMES_OF_FLEET_MAX as u32 / 2)).max(1),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    let games = vec((script(0..6), any::<u16>(), 1usize..4), 1..=GAMES_OF_FLEET_MAX);
    let played = runner.run(&(script(1..6), games), |(fleet, games)| {
        let fleet = honest(&fleet);
        games.iter().try_for_each(|(moves, known, files)| play(&fleet, moves, *known, *files))
    });
    if let Err(lost) = played {
        panic!("{lost}");
    }
}
