//! The five sets of capabilities, exactly as planned.
//!
//! capset(2) 1999, PR_CAPBSET_DROP 2008, PR_CAP_AMBIENT 2015; capabilities(7). Book: "Capabilities" (`capabilities`).
//! Invariant: after [`assume`] the kernel, asked again, has exactly these five sets.

use crate::plan::process::capabilities::{Grantable, Sets, names};
use crate::sys::capability::{self as raw, Triple};
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::prctl::set_keepcaps;
use std::sync::OnceLock;

/// Numbers of capabilities are bits of 64.
const END: u8 = 64;

/// Those that this kernel knows: it is asked for each, up to the first that it does not; and once, for it learns no more.
pub fn known() -> u64 {
    static KNOWN: OnceLock<u64> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        // EINVAL alone says so: by another error the rest would be neither given nor taken away.
        let known = (0..END).take_while(|number| raw::bounding_has(*number) != Err(Errno::EINVAL));
        known.fold(0, |bits, number| bits | 1 << number)
    })
}

/// What can be given to a process in `other_users`, a user namespace that it is born in or joins, or else in our own.
pub fn grantable(other_users: bool) -> Result<Grantable> {
    let known = known();
    let held = raw::get().map_err(|errno| Error::call("capget()", errno))?.permitted;
    Ok(Grantable { known, held: if other_users { known } else { held } })
}

/// Takes everything out of the bounding set that is not in `sets`; needs CAP_SETPCAP, so it comes first.
///
/// What is inheritable is set before: beyond the bounding set nothing becomes so (capabilities(7)).
pub fn bound(sets: &Sets) -> Result<()> {
    let now = raw::get().map_err(|errno| Error::call("capget()", errno))?;
    let inheriting = Triple { inheritable: sets.inheritable, ..now };
    raw::set(&inheriting).map_err(|errno| refused(&inheriting, errno))?;
    for number in numbers(known() & !sets.bounding) {
        let call =
            |name: &str, errno| Error::call(format!("prctl({name}, {})", names(1 << number).join("")), errno);
        if raw::bounding_has(number).map_err(|errno| call("PR_CAPBSET_READ", errno))? {
            raw::bounding_drop(number).map_err(|errno| {
                call("PR_CAPBSET_DROP", errno)
                    .with_hint("needs CAP_SETPCAP in the container's user namespace")
            })?;
        }
    }
    Ok(())
}

/// Lets the permitted set survive the change to an ordinary user, for [`assume`] to cut it down afterwards.
pub fn keep_over_setuid() -> Result<()> {
    set_keepcaps(true).map_err(|errno| Error::call("prctl(PR_SET_KEEPCAPS, 1)", errno))
}

// ANCHOR: capabilities
/// From what is permitted now to exactly `sets`.
///
/// # Errors
/// EPERM: something is permitted that we do not have. A set that the kernel, asked again, has otherwise.
pub fn assume(sets: &Sets) -> Result<()> {
    set_keepcaps(false).map_err(|errno| Error::call("prctl(PR_SET_KEEPCAPS, 0)", errno))?;
    raw::ambient_clear()
        .map_err(|errno| Error::call("prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)", errno))?;
    let Sets { effective, permitted, inheritable, .. } = *sets;
    let triple = Triple { effective, permitted, inheritable };
    raw::set(&triple).map_err(|errno| refused(&triple, errno))?;
    for number in numbers(sets.ambient) {
        raw::ambient_raise(number).map_err(|errno| {
            let name = names(1 << number).join("");
            Error::call(format!("prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, {name})"), errno)
                .with_hint("it must be permitted and inheritable, and securebits(7) must allow it")
        })?;
    }
    match present()? {
        now if now == *sets => Ok(()),
        now => Err(Error::refused(format!(
            "the kernel has other capabilities than were set: {now:x?}, not {sets:x?}"
        ))),
    }
}
// ANCHOR_END: capabilities

/// The five sets of this process, as the kernel has them.
pub fn present() -> Result<Sets> {
    let Triple { effective, permitted, inheritable } =
        raw::get().map_err(|errno| Error::call("capget()", errno))?;
    let all = |name: &str, has: fn(u8) -> nix::Result<bool>| {
        let each = numbers(known()).map(|number| has(number).map(|has| u64::from(has) << number));
        let sum = each.reduce(|one, other| Ok(one? | other?)).unwrap_or(Ok(0));
        sum.map_err(|errno| Error::call(format!("prctl({name})"), errno))
    };
    Ok(Sets {
        bounding: all("PR_CAPBSET_READ", raw::bounding_has)?,
        ambient: all("PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET", raw::ambient_has)?,
        effective,
        inheritable,
        permitted,
    })
}

fn refused(triple: &Triple, errno: Errno) -> Error {
    let list = |bits| names(bits).join("|");
    let Triple { effective, permitted, inheritable } = *triple;
    let call = format!(
        "capset({{effective={}, permitted={}, inheritable={}}})",
        list(effective),
        list(permitted),
        list(inheritable)
    );
    let had = raw::get().map(|had| had.permitted).unwrap_or_default();
    match permitted & !had {
        0 => Error::call(call, errno),
        beyond => Error::call(call, errno).with_hint(format!("{} is not ours to give", list(beyond))),
    }
}

fn numbers(bits: u64) -> impl Iterator<Item = u8> {
    (0..END).filter(move |number| bits >> number & 1 == 1)
}
