//! The five sets of capabilities as bits.
//!
//! No kernel calls; capabilities(7); config.md, "Linux Process". Book: "Capabilities" (`capabilities`).
//! Invariant: pure; what is in a set can be given: the others were warned of, and are in none.

use crate::config::Process;
use crate::config::check::CAPABILITIES;
use crate::config::fault::{At, Fault};
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// One bit for each capability, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sets {
    /// What may ever be gained.
    pub bounding: u64,
    /// What counts now.
    pub effective: u64,
    /// What is kept over execve(2) of a file that has it, too.
    pub inheritable: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// What is kept over execve(2).
    pub ambient: u64,
}

/// What can be given at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grantable {
    /// Those that the kernel knows.
    pub known: u64,
    /// Those of them that the process has at birth: all in a new user namespace, else those of the runtime.
    pub held: u64,
}

const RULE: &str = "config.md, Linux Process";

impl Sets {
    /// What the process asks for, as far as it can be had. Without a word about capabilities: none.
    pub fn of(process: &Process, at: At<'_>, grantable: Grantable, warnings: &mut Vec<Fault>) -> Self {
        let Some(asked) = &process.capabilities else { return Sets::default() };
        let [bounding, effective, inheritable, permitted, ambient] =
            asked.sets().map(|(name, set)| bits(set, at.key(name), grantable, warnings));
        let beyond = ambient & !(permitted & inheritable);
        if beyond != 0 {
            // No kernel raises it. A warning, as other runtimes have it: what `runc spec` writes is like this.
            let what =
                format!("{} is not both permitted and inheritable, and not given", names(beyond).join(", "));
            warnings.push(Fault::new(at.key("ambient").to_string(), what, "capabilities(7), Ambient"));
        }
        // What is effective beyond the permitted ones was warned of when the file was checked.
        let (effective, ambient) = (effective & permitted, ambient & !beyond);
        Sets { bounding, effective, inheritable, permitted, ambient }
    }
}

/// The bits of those that can be given; of the others a warning. Unknown names were warned of before.
fn bits(set: &[String], at: At<'_>, grantable: Grantable, warnings: &mut Vec<Fault>) -> u64 {
    let mut bits = 0;
    for (index, name) in set.iter().enumerate() {
        let Some(bit) = CAPABILITIES.iter().position(|known| known == name).map(|number| 1 << number) else {
            continue;
        };
        let why = match (grantable.known & bit, grantable.held & bit) {
            (0, _) => "is not known to this kernel, and not given",
            (_, 0) => "is not ours to give, and not given",
            _ => {
                bits |= bit;
                continue;
            }
        };
        warnings.push(Fault::new(at.index(index).to_string(), format!("{name:?} {why}"), RULE));
    }
    bits
}

/// What the bits stand for, in the order of their numbers; a number without a name is a younger kernel's.
pub fn names(bits: u64) -> Vec<String> {
    let name =
        |number: usize| CAPABILITIES.get(number).map_or_else(|| format!("{number}"), |name| name.to_string());
    (0..64).filter(|number| bits >> number & 1 == 1).map(name).collect()
}

impl Serialize for Sets {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut sets = to.serialize_struct("Sets", 5)?;
        sets.serialize_field("bounding", &names(self.bounding))?;
        sets.serialize_field("effective", &names(self.effective))?;
        sets.serialize_field("inheritable", &names(self.inheritable))?;
        sets.serialize_field("permitted", &names(self.permitted))?;
        sets.serialize_field("ambient", &names(self.ambient))?;
        sets.end()
    }
}
