//! The second step of history: one namespace at a time, what the jail leaks is taken away (2000-2020).
//!
//! Not written yet. The rooms it will have:
//!
//! | Module | Year | What it is |
//! |---|---|---|
//! | `kind` | 2002-2020 | the one table of the eight kinds |
//! | `spawn`, `init` | | a process born into new namespaces, and the first process in them |
//! | `join` | | entering the namespaces of another process |
//! | `idmap` | 2013 | who is who inside and outside of a user namespace |
//! | `mount`, `pivot` | 2000-2006 | private mounts, propagation, pivot_root |
//! | `net` | 2009 | devices, addresses and routes by netlink |
