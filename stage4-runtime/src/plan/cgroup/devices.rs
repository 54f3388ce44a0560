//! The specification's list of rules for devices, brought down to one policy.
//!
//! devices.allow, devices.deny, 2008; config-linux.md, "Allowed Device list". Book: "Resources" (`resources`).
//! Invariant: pure; what the policy says of a device is what the rules, applied one after the other, would say.

use crate::config::devices::{DeviceRule, RuleKind};
use crate::{Error, Result};
use stage3_cgroups::devices::{Access, Kind, Policy, Rule};

/// What every container may do: make nodes of any device, and use those of the default list (config-linux.md,
/// "Default Devices"), its terminals among them.
const ALWAYS: [&str; 11] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

/// The policy of `rules`, with what every container may do added.
///
/// # Errors
/// A rule that takes a part of what an earlier one gave: neither version can keep such a hole.
pub fn policy(rules: &[DeviceRule]) -> Result<Policy> {
    let mut state = Policy::AllBut(Vec::new());
    for (index, rule) in rules.iter().enumerate() {
        let at = |fault: String| {
            Error::refused(format!("config.json: linux.resources.devices[{index}]: {fault}"))
                .with_hint("deny first and allow afterwards, device by device")
        };
        state = apply(state, rule).map_err(at)?;
    }
    for rule in ALWAYS {
        let rule: Rule = rule.parse()?;
        state = change(state, true, rule).map_err(Error::refused)?;
    }
    Ok(state)
}

fn apply(state: Policy, rule: &DeviceRule) -> Result<Policy, String> {
    let number =
        |number: Option<i64>| number.filter(|number| *number >= 0).and_then(|n| u32::try_from(n).ok());
    let (major, minor) = (number(rule.major), number(rule.minor));
    let access = access(rule.access.as_deref().unwrap_or("rwm"))?;
    let kinds: &[Kind] = match rule.kind {
        Some(RuleKind::Char) => &[Kind::Character],
        Some(RuleKind::Block) => &[Kind::Block],
        None | Some(RuleKind::All) => &[Kind::Character, Kind::Block],
    };
    let everything = kinds.len() == 2 && major.is_none() && minor.is_none() && access == EVERY;
    if everything {
        return Ok(if rule.allow { Policy::AllBut(Vec::new()) } else { Policy::Only(Vec::new()) });
    }
    kinds
        .iter()
        .try_fold(state, |state, kind| change(state, rule.allow, Rule { kind: *kind, major, minor, access }))
}

/// Read, write and make.
const EVERY: Access = Access(7);

fn access(letters: &str) -> Result<Access, String> {
    letters
        .chars()
        .try_fold(0, |bits, letter| match letter {
            'r' => Ok(bits | Access::READ.0),
            'w' => Ok(bits | Access::WRITE.0),
            'm' => Ok(bits | Access::MAKE.0),
            other => Err(format!("{other:?} is no access (r, w, m)")),
        })
        .map(Access)
}

/// One more rule: where it agrees with what holds for the rest, exceptions go; else it is one.
fn change(state: Policy, allow: bool, rule: Rule) -> Result<Policy, String> {
    match (state, allow) {
        (Policy::Only(mut exceptions), true) => {
            add(&mut exceptions, rule);
            Ok(Policy::Only(exceptions))
        }
        (Policy::AllBut(mut exceptions), false) => {
            add(&mut exceptions, rule);
            Ok(Policy::AllBut(exceptions))
        }
        (Policy::Only(exceptions), false) => Ok(Policy::Only(take(exceptions, rule)?)),
        (Policy::AllBut(exceptions), true) => Ok(Policy::AllBut(take(exceptions, rule)?)),
    }
}

fn add(exceptions: &mut Vec<Rule>, rule: Rule) {
    let same = |old: &&mut Rule| (old.kind, old.major, old.minor) == (rule.kind, rule.major, rule.minor);
    match exceptions.iter_mut().find(same) {
        Some(old) => old.access.0 |= rule.access.0,
        None => exceptions.push(rule),
    }
}

/// Takes `rule` out of the exceptions it covers.
fn take(exceptions: Vec<Rule>, rule: Rule) -> Result<Vec<Rule>, String> {
    let covers = |wide: Option<u32>, narrow: Option<u32>| wide.is_none() || wide == narrow;
    let meets = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
    let mut rest = Vec::new();
    for mut old in exceptions {
        let touched = old.kind == rule.kind && old.access.0 & rule.access.0 != 0;
        if touched && meets(old.major, rule.major) && meets(old.minor, rule.minor) {
            if !(covers(rule.major, old.major) && covers(rule.minor, old.minor)) {
                return Err(format!("{rule} is a part of the earlier {old}"));
            }
            old.access.0 &= !rule.access.0;
        }
        if old.access.0 != 0 {
            rest.push(old);
        }
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy_of(json: &str) -> Result<Policy> {
        policy(&serde_json::from_str::<Vec<DeviceRule>>(json).unwrap())
    }

    fn texts(rules: &[Rule]) -> Vec<String> {
        rules.iter().map(Rule::to_string).collect()
    }

    #[test]
    fn resources_denying_all_leaves_the_default_devices() {
        let Policy::Only(rules) = policy_of(r#"[{"allow": false, "access": "rwm"}]"#).unwrap() else {
            panic!()
        };
        assert_eq!(texts(&rules), ALWAYS);
    }

    #[test]
    fn resources_no_rule_denies_nothing() {
        assert_eq!(policy_of("[]").unwrap(), Policy::AllBut(Vec::new()));
    }

    #[test]
    fn resources_later_rules_win() {
        let json = r#"[{"allow": false},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"},
            {"allow": true, "type": "b", "major": 8, "access": "r"},
            {"allow": false, "type": "c", "major": 10, "access": "w"}]"#;
        let Policy::Only(rules) = policy_of(json).unwrap() else { panic!() };
        assert_eq!(texts(&rules)[..2], ["c 10:229 r", "b 8:* r"]);
    }

    #[test]
    fn resources_an_allowed_default_device_cannot_be_denied_before() {
        let json = r#"[{"allow": false, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
                       {"allow": false, "type": "b", "major": 8, "access": "w"}]"#;
        let Policy::AllBut(rules) = policy_of(json).unwrap() else { panic!() };
        assert_eq!(texts(&rules), ["b 8:* w"]);
    }

    #[test]
    fn resources_a_hole_in_what_is_allowed_is_an_error() {
        let json = r#"[{"allow": false}, {"allow": true, "type": "b", "major": 8},
                       {"allow": false, "type": "b", "major": 8, "minor": 1}]"#;
        let error = policy_of(json).unwrap_err().to_string();
        assert!(error.contains("linux.resources.devices[2]") && error.contains("b 8:1"), "{error}");
    }
}
