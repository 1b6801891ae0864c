use flb_audit_policy::automaton::*;
use flb_audit_policy::detectors::detectors;
fn dims(t: &[&str]) -> (usize, usize) {
    let a = compile(t, Direction::Anywhere, Alphabet::Bytes).ok().unwrap();
    let h = |i: usize| u16::from_le_bytes([a[i], a[i + 1]]) as usize;
    (h(0), h(2))
}
fn main() {
    let d: Vec<_> = detectors().filter(|d| d.pack != "network" && !d.name.starts_with("phone")).collect();
    let all: Vec<&str> = d.iter().map(|d| d.trigger).collect();
    println!("{:?}", dims(&all));
    let mut u = all.clone();
    u.sort();
    u.dedup();
    for x in &u {
        let w: Vec<&str> = all.iter().filter(|t| *t != x).copied().collect();
        println!("without {x}: {:?}", dims(&w));
    }
    for (from, to) in [
        ("[0-9]{12}|[0-9]{4}[ -]([0-9]{4}|[0-9]{6})[ -][0-9]{3}", "[0-9]{12}|[0-9]{4}[ -][0-9]{4}"),
        (
            "[0-9]{12}|[0-9]{4}[ -]([0-9]{4}|[0-9]{6})[ -][0-9]{3}",
            "[0-9]{12}|[0-9]{4}[ -][0-9]{4}([0-9]{2})?[ -][0-9]",
        ),
    ] {
        let w: Vec<&str> = all.iter().map(|t| if *t == from { to } else { *t }).collect();
        println!("with {to}: {:?}", dims(&w));
    }
}
