//! Server blocks' zones to accounts: what the programs count their answers under (`dns_ebpf::answered`).

use dns_ebpf::answered::ACCOUNTS;

use crate::corefile::Server;
use crate::record::Name;

/// CoreDNS's labels of a query that a server block's zone takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    /// `server`: as [`Server::label`] has it.
    pub server: String,
    /// `zone`: the zone of the server block, with a dot at its end.
    pub zone: String,
}

/// The accounts given out so far, each for good: an answer counted under one can always be told apart.
#[derive(Debug, Default)]
pub struct Accounts(Vec<Block>);

impl Accounts {
    /// The account of a server block's zone, a new one for a new zone; 0, which stands for none, where all are given
    /// out.
    pub(super) fn of(&mut self, server: &Server, zone: &Name) -> u8 {
        let block = Block {
            server: server.label(),
            zone: zone.to_string(),
        };
        let at = self.0.iter().position(|given| *given == block);
        let at = at.unwrap_or_else(|| {
            if self.0.len() + 1 < ACCOUNTS {
                self.0.push(block);
                return self.0.len() - 1;
            }
            tracing::warn!(
                "the Corefiles since the start had {} zones of `kubernetes`: the kernel's answers for {zone} are in no \
                 coredns_dns_* metric until kerndns is started again",
                ACCOUNTS
            );
            usize::MAX
        });
        u8::try_from(at.wrapping_add(1)).unwrap_or_default()
    }

    /// What an account is for.
    pub fn block(&self, account: usize) -> Option<&Block> {
        self.0.get(account.checked_sub(1)?)
    }

    /// How many numbers are in use, number 0 included.
    pub fn len(&self) -> usize {
        self.0.len() + 1
    }

    /// Never: number 0 is always there.
    pub fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::corefile::Config;

    #[test]
    fn an_account_stays_with_its_block_and_the_last_ones_share_none() {
        let text = "a.example:53 b.example:53 {\n kubernetes\n}\n";
        let config = Config::parse(text, Path::new("Corefile")).unwrap();
        let server = &config.servers[0];
        let mut accounts = Accounts::default();
        let [first, second] = [&server.zones[0], &server.zones[1]];
        assert_eq!(accounts.of(server, first), 1);
        assert_eq!(accounts.of(server, second), 2);
        assert_eq!(accounts.of(server, first), 1);
        assert_eq!(accounts.block(0), None);
        let zone = accounts.block(2).map(|block| block.zone.as_str());
        assert_eq!(zone, Some("b.example."));
        for i in 0..ACCOUNTS {
            accounts.of(server, &Name::parse(&format!("z{i}.example")).unwrap());
        }
        assert_eq!(accounts.len(), ACCOUNTS);
        let late = Name::parse("late.example").unwrap();
        assert_eq!(accounts.of(server, &late), 0);
        assert_eq!(accounts.of(server, second), 2);
    }
}
