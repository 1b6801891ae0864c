//! Fuzzes the game of `host-tests/model` against the model: the first byte says how
//! many steps are the fleet's.
#![no_main]

use flb_audit_model::game;
use flb_audit_model::model::verify;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some(([fleet, known], script)) = input.split_first_chunk() else { return };
    let script = game::script(script);
    let (fleet, moves) = script.split_at(script.len().min(usize::from(*fleet % 6)));
    let fleet = game::honest(fleet);
    let mut log = fleet.log(u16::from(*known));
    game::attack(&mut log, &moves[..moves.len().min(8)], fleet.stolen.as_ref());
    if let Err(wrong) = game::check(&fleet, &log, &verify(&log)) {
        panic!("{wrong}");
    }
});
