//! Registries: the blobs of a layout, over HTTP.
//!
//! connect(2); the OCI distribution specification 1.1, Docker's registry 2015. Book: "Images" (`images`).
//! Invariant: nothing that comes from a registry is kept before it was held against its digest; secrets are sent to the
//! host that they are for, and to whom it names to give out tokens; over plain HTTP to nobody but this machine itself.
//!
//! | Module | What it is |
//! |---|---|
//! | `reference` | which image of which registry |
//! | `address` | where a request may go |
//! | `challenge`, `credentials` | what a registry asks for, and what is answered |
//! | `client`, `transport`, `answer` | one request, with all that may come in between |
//! | `pull`, `push` | an image from there, and to there |

mod address;
mod answer;
mod challenge;
pub mod client;
mod credentials;
pub mod pull;
pub mod push;
pub mod reference;
mod transport;
