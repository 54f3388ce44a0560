//! What engines ask for, where they cannot leave a number out.
//!
//! No kernel calls; config-linux.md, "Control groups". Book: "Resources" (`resources`).
//! Invariant: pure; only a number that no kernel could mean is taken for silence.

use crate::config::block_io::BlockIo;
use crate::config::resources::{Cpu, Memory, Resources};

/// `resources` without what is written and asks for nothing: an amount of 0, an empty list.
///
/// A group without any memory, or with a share of 0, could run nobody. To version 1 a share of 0 would even mean
/// something: the least there is.
pub fn asked(resources: &Resources) -> Resources {
    let mut asked = resources.clone();
    asked.memory.iter_mut().for_each(memory);
    asked.cpu.iter_mut().for_each(cpu);
    asked.block_io.iter_mut().for_each(block_io);
    asked
}

fn memory(memory: &mut Memory) {
    let Memory { limit, reservation, swap, kernel, kernel_tcp, .. } = memory;
    for amount in [limit, reservation, swap, kernel, kernel_tcp] {
        *amount = amount.filter(|bytes| *bytes != 0);
    }
    // Without a limit it is what it always is: a part of the memory (cgroup-v1/memory.rst, "Kernel Memory").
    *kernel = kernel.filter(|bytes| *bytes > 0);
}

fn cpu(cpu: &mut Cpu) {
    let Cpu { shares, quota, period, realtime_runtime, realtime_period, cpus, mems, .. } = cpu;
    for number in [shares, period, realtime_period] {
        *number = number.filter(|number| *number != 0);
    }
    for number in [quota, realtime_runtime] {
        *number = number.filter(|number| *number != 0);
    }
    for list in [cpus, mems] {
        *list = list.take().filter(|list| !list.trim().is_empty());
    }
}

fn block_io(io: &mut BlockIo) {
    for weight in [&mut io.weight, &mut io.leaf_weight] {
        *weight = weight.filter(|weight| *weight != 0);
    }
}
