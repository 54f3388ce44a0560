//! The third step of history: how much a group of processes may take (2008-2016).
//!
//! Not written yet. The rooms it will have:
//!
//! | Module | Year | What it is |
//! |---|---|---|
//! | `layout` | 2008, 2016 | v1, hybrid or v2, found by reading mountinfo, never assumed |
//! | `limits` | | one set of limits, mapped purely to files and values on each layout |
//! | `group` | 2008 | a control group: make, enter, read, freeze, kill, delete |
//! | `events` | | out of memory, limit reached, empty: eventfd on v1, inotify on v2 |
//! | `delegation` | 2016 | what an ordinary user may do, and what mends the rest |
