//! Text that is no Corefile: never a panic, an overflow or a loop without end.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::parse;

#[test]
fn deep_nesting_is_refused_before_the_stack_is_used_up() {
    let deep = format!(". {{\n{}", "a {\n".repeat(1_000_000 / 4));
    let stray = format!(". {{\n{}", "{\n".repeat(100_000));
    for text in [deep, stray] {
        let error = parse(&text).unwrap_err().to_string();
        let last = error.lines().last().unwrap();
        assert_eq!(last, "Corefile:17: blocks are nested more than 16 deep");
    }
    let nested = format!(". {{\n{}{}}}", "cache {\n".repeat(15), "}\n".repeat(15));
    let error = parse(&nested).unwrap_err().to_string();
    assert!(!error.contains("nested"), "{error}");
}

#[test]
fn random_octets_never_panic() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..3_000 {
        let length = random.random_range(0..200);
        let octets: Vec<u8> = (0..length).map(|_| random.random()).collect();
        let _ = parse(&String::from_utf8_lossy(&octets));
    }
}

#[test]
fn mutated_corefiles_never_panic() {
    let seeds = [
        include_str!("../kubeadm.Corefile"),
        include_str!("../testdata/nodelocaldns.Corefile"),
        "(a) {\n import b\n}\n10.0.0.0/9:5 \"x\\\"y\", {$PORT} {%PORT%} {\n import a\n reload 1.5h 2s\n}\n",
    ];
    let pieces = [
        "{",
        "}",
        " {\n",
        "\n}\n",
        "\"",
        "\\",
        "#",
        "\n",
        ",",
        ".",
        ":",
        "/",
        "{$",
        "{%",
        "%}",
        "import ",
        "(a)",
        "\u{feff}",
        "\u{b5}",
        "9999999999999999999999",
        "0.0.0.0/1 ",
        "::/1 ",
    ];
    let mut random = StdRng::seed_from_u64(2);
    for round in 0..6_000 {
        let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..=text.len());
            let to = (at + random.random_range(0..20)).min(text.len());
            let piece = pieces[random.random_range(0..pieces.len())];
            match random.random_range(0..3) {
                0 => drop(text.drain(at..to)),
                1 => drop(text.splice(at..to, piece.chars())),
                _ => {
                    let copy: Vec<char> = text[at..to].to_vec();
                    text.splice(at..at, copy);
                }
            }
        }
        let text: String = text.into_iter().collect();
        // A directory or device that a mutation imports by chance is a fault like any other.
        let _ = parse(&text);
    }
}
