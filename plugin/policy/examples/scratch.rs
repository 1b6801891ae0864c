use flb_audit_policy::*;
use std::collections::*;
fn main() {
    let p = Policy::read(DEFAULT_POLICY).ok().unwrap();
    let t = compile(&p).ok().unwrap();
    let n = |a: usize| u32::from_le_bytes(t[a..a + 4].try_into().unwrap()) as usize;
    for (i, name) in ["source", "rules", "strings", "automata"].iter().enumerate() {
        println!("{name} {}", n(52 + 8 * i));
    }
    let autos = &t[n(72)..n(72) + n(76)];
    let rules = &t[n(56)..n(56) + n(60)];
    let mut places = BTreeMap::new();
    places.insert(n(80), "scout".to_string());
    places.insert(n(84), "keys".into());
    let strs = &t[n(64)..n(64) + n(68)];
    for r in rules.chunks(24) {
        if r[10] == 0 {
            let g = |a: usize| u32::from_le_bytes(r[a..a + 4].try_into().unwrap()) as usize;
            let s = g(0);
            let name = String::from_utf8_lossy(&strs[s & 0xffffff..(s & 0xffffff) + (s >> 24)]).to_string();
            places.insert(g(16), format!("{name} lead"));
            places.insert(g(20), format!("{name} pattern"));
        }
    }
    println!("paths {}", autos.len() - n(88));
    let mut tot = [0usize; 7];
    for (at, name) in &places {
        if name == "scout" {
            let a = &autos[*at..];
            let h = |i: usize| u16::from_le_bytes([a[i], a[i + 1]]) as usize;
            println!("scout {}", 274 + 2 * (h(4) + 1) + 2 * h(6) + 2 * h(0) * h(2));
            continue;
        }
        let a = &autos[*at..];
        let h = |i: usize| u16::from_le_bytes([a[i], a[i + 1]]) as usize;
        let parts = [26, h(24), 2 * (h(4) + 1) + 2 * h(6), 4 * (h(0) + 1), 2 * h(2) * h(18), 3 * h(20)];
        let size: usize = parts.iter().sum();
        for i in 0..6 {
            tot[i] += parts[i];
        }
        tot[6] += size;
        println!(
            "{name:40} states {} classes {} rows {} exc {} map {} size {size}",
            h(0),
            h(2),
            h(18),
            h(20),
            h(24)
        );
    }
    println!("{tot:?} total table {}", t.len());
}
