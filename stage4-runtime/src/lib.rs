//! The fourth step of history: the runtime that combines the three before it (2013-now).
//!
//! Not written yet. The rooms it will have:
//!
//! | Module | What it is |
//! |---|---|
//! | `plan` | config.json to `Plan`: every decision is data before the first side effect |
//! | `birth` | parent and init, top to bottom in time: the spine |
//! | `visit` | exec |
//! | `death` | kill and delete |
//! | `root`, `mounts`, `devices`, `mask`, `identity`, `capabilities`, `seccomp`, … | the leaves: one kernel noun each |
//! | `image` | OCI images, unpacked and written |
