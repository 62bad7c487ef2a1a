//! Which record each name has, as the agent keeps it for as many names as there are: a name's key to where it leads, in
//! sorted runs.
//!
//! A key is a hash, so that its first bits make runs of about the same length. Each is as long as it has to be: an entry
//! is 16 octets and at most an eighth more, where a hash table would be up to 39.

/// How many runs there are.
const RUNS: usize = 1 << RUN_BITS;
const RUN_BITS: u32 = 12;

/// Where a name's record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its reference in ARENA.
    pub at: u32,
    /// Its length, octets.
    pub len: u32,
}

/// Key to slot.
pub(super) struct Slots {
    /// By the key's first bits; sorted.
    runs: Box<[Vec<(u64, Slot)>]>,
    len: usize,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            runs: vec![Vec::new(); RUNS].into(),
            len: 0,
        }
    }
}

impl Slots {
    /// What a key has.
    pub(super) fn get(&self, key: u64) -> Option<Slot> {
        let run = &self.runs[run_of(key)];
        let at = place(run, key).ok()?;
        Some(run[at].1)
    }

    /// Gives a key a slot; returns what it had before.
    pub(super) fn insert(&mut self, key: u64, slot: Slot) -> Option<Slot> {
        let run = &mut self.runs[run_of(key)];
        match place(run, key) {
            Ok(at) => Some(std::mem::replace(&mut run[at].1, slot)),
            Err(at) => {
                if run.len() == run.capacity() {
                    run.reserve_exact((run.len() / 8).max(2));
                }
                run.insert(at, (key, slot));
                self.len += 1;
                None
            }
        }
    }

    /// Takes a key out; returns what it had.
    pub(super) fn remove(&mut self, key: u64) -> Option<Slot> {
        let run = &mut self.runs[run_of(key)];
        let at = place(run, key).ok()?;
        let (_, slot) = run.remove(at);
        if run.len() < run.capacity() / 2 {
            run.shrink_to_fit();
        }
        self.len -= 1;
        Some(slot)
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Every key and its slot.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Slot)> {
        self.runs.iter().flatten().copied()
    }
}

fn run_of(key: u64) -> usize {
    (key >> (u64::BITS - RUN_BITS)) as usize
}

fn place(run: &[(u64, Slot)], key: u64) -> Result<usize, usize> {
    run.binary_search_by_key(&key, |&(key, _)| key)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn keys_that_come_and_go_have_what_a_hash_map_has() {
        let (mut slots, mut expected) = (Slots::default(), HashMap::new());
        for step in 0u32..60_000 {
            // Few runs, so that they are long; each key is there or not, by turns.
            let number = u64::from(step).wrapping_mul(2_654_435_761) % 5_000;
            let key = ((number % 3) << 62) | number;
            let slot = Slot { at: step, len: 8 };
            if step % 3 == 0 {
                assert_eq!(slots.remove(key), expected.remove(&key));
            } else {
                assert_eq!(slots.insert(key, slot), expected.insert(key, slot));
            }
            assert_eq!(slots.len(), expected.len());
        }
        assert!(expected.len() > 1_000);
        assert_eq!(slots.iter().collect::<HashMap<_, _>>(), expected);
        assert!(
            expected
                .iter()
                .all(|(&key, &slot)| slots.get(key) == Some(slot))
        );
    }
}
