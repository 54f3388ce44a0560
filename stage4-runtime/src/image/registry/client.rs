//! One request to a registry, with all that may come in between: a challenge, a redirect, a second attempt.
//!
//! connect(2), getaddrinfo(3); RFC 9110, the distribution specification 1.1. Book: "Images" (`images`).
//! Invariant: no answer is waited for without end; the Authorization header goes to the registry and nowhere else; only
//! what changes nothing is asked twice.

use super::super::document;
use super::super::stream::Watch;
use super::address::{Address, is_this_machine};
use super::answer::{refusal, text};
use super::challenge::Challenge;
use super::credentials;
use super::reference::Remote;
use super::transport::{self, failed};
use crate::{Error, Result};
use serde::Deserialize;
use std::cell::{OnceCell, RefCell};
use std::io::Read;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;
use ureq::http::{Method, Request, Response, StatusCode, header};
use ureq::{Agent, Body, SendBody};

/// From one redirect to another; one is usual.
const REDIRECTS: usize = 5;

/// Of what changes nothing.
const ATTEMPTS: u32 = 3;

/// Before the second attempt; twice that before the third.
const PAUSE: Duration = Duration::from_millis(300);

/// How often it is looked whether the end was asked for.
const LOOK: Duration = Duration::from_millis(100);

/// What is to be done there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only to be read.
    Pull,
    /// And to be written.
    Push,
}

/// A repository of a registry.
pub struct Client<'a> {
    pub(super) remote: &'a Remote,
    access: Access,
    watch: Watch<'a>,
    agent: Agent,
    base: OnceCell<Address>,
    authorization: RefCell<Option<String>>,
}

/// What is sent along.
pub(super) enum Load<'a> {
    /// In memory.
    Text(&'a [u8]),
    /// So many bytes, read from their beginning for each attempt.
    Content(u64, &'a dyn Fn() -> Result<Box<dyn Read + 'a>>),
}

/// A request.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) address: Address,
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) load: Option<Load<'a>>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default, alias = "access_token")]
    token: String,
}

impl<'a> Client<'a> {
    /// Nobody is asked yet. `watch` ends what waits.
    ///
    /// # Errors
    /// No certificates that could be trusted.
    pub fn new(remote: &'a Remote, access: Access, watch: Watch<'a>) -> Result<Self> {
        let agent = transport::agent(is_this_machine(remote.server()))?;
        let (base, authorization) = (OnceCell::new(), RefCell::new(None));
        Ok(Client { remote, access, watch, agent, base, authorization })
    }

    /// Does `work` with this client; when the end is asked for, its connections are shut down under it.
    ///
    /// # Errors
    /// Those of `work`; the end that was asked for.
    pub fn guarded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let (agent, watch) = (self.agent.clone(), self.watch);
        let (end, ended) = sync_channel::<()>(0);
        thread::scope(|scope| {
            scope.spawn(move || {
                while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    if watch(0).is_err() {
                        return agent.shutdown();
                    }
                }
            });
            let done = work();
            drop(end);
            done.map_err(|error| watch(0).err().unwrap_or(error))
        })
    }

    /// Something of the repository: `manifests/latest`.
    pub(super) fn address(&self, rest: &str) -> Result<Address> {
        Ok(self.base()?.at(format!("/v2/{}/{rest}", self.remote.path)))
    }

    /// On this machine a registry may speak plain HTTP: where it answers no TLS, it does.
    fn base(&self) -> Result<&Address> {
        if let Some(base) = self.base.get() {
            return Ok(base);
        }
        let server = self.remote.server();
        let secure = Address::of(server, true);
        let plain = is_this_machine(server) && !transport::speaks_tls(&self.agent, &secure)?;
        Ok(self.base.get_or_init(|| if plain { Address::of(server, false) } else { secure }))
    }

    /// Asks, and follows where that changes nothing.
    ///
    /// # Errors
    /// What the registry or the network says; another answer than one of `wanted`.
    pub(super) fn ask(&self, call: &Call<'_>, wanted: &[StatusCode]) -> Result<Response<Body>> {
        let mut address = call.address.clone();
        for _ in 0..=REDIRECTS {
            let answer = self.authorized(call, &address)?;
            let location =
                answer.headers().get(header::LOCATION).filter(|_| answer.status().is_redirection());
            let location = location.filter(|_| call.changes_nothing()).and_then(|it| it.to_str().ok());
            match location {
                Some(location) => address = address.led_to(location)?,
                None if wanted.contains(&answer.status()) => return Ok(answer),
                None => return Err(refusal(&call.method, &address, answer)),
            }
        }
        Err(Error::refused(format!("{} {}: more than {REDIRECTS} redirects", call.method, call.address)))
    }

    fn authorized(&self, call: &Call<'_>, address: &Address) -> Result<Response<Body>> {
        let answer = self.patient(call, address)?;
        match answer.status() {
            StatusCode::UNAUTHORIZED if address.is_beside(self.base()?) => {
                self.authorize(call, address, answer)?;
                self.patient(call, address)
            }
            _ => Ok(answer),
        }
    }

    fn patient(&self, call: &Call<'_>, address: &Address) -> Result<Response<Body>> {
        let mut attempt = 1;
        loop {
            let answer = self.once(call, address);
            let again = match &answer {
                Ok(answer) => is_for_now(answer.status()),
                Err(error) => transport::is_for_now(error),
            };
            if !again || attempt == ATTEMPTS || !call.changes_nothing() {
                return answer.map_err(|error| failed(&format!("{} {address}", call.method), error));
            }
            thread::sleep(PAUSE * attempt);
            (self.watch)(0)?;
            attempt += 1;
        }
    }

    fn once(&self, call: &Call<'_>, address: &Address) -> Result<Response<Body>, ureq::Error> {
        let mut request = Request::builder().method(call.method.clone()).uri(address.url());
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        let authorization = self.authorization.borrow();
        let is_home = self.base.get().is_some_and(|base| address.is_beside(base));
        if let Some(authorization) = authorization.as_ref().filter(|_| is_home) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        match &call.load {
            None => self.agent.run(request.body(())?),
            Some(Load::Text(text)) => self.agent.run(request.body(*text)?),
            Some(Load::Content(size, open)) => {
                let mut content = open().map_err(|error| ureq::Error::Io(std::io::Error::other(error)))?;
                let request = request.header(header::CONTENT_LENGTH, *size);
                self.agent.run(request.body(SendBody::from_reader(&mut content))?)
            }
        }
    }

    /// Answers a challenge.
    fn authorize(&self, call: &Call<'_>, address: &Address, answer: Response<Body>) -> Result<()> {
        let headers = answer.headers().get_all(header::WWW_AUTHENTICATE).iter();
        let challenge = Challenge::read(headers.filter_map(|it| it.to_str().ok()));
        let secret = credentials::find(self.remote)?;
        let authorization = match (challenge, secret) {
            (Some(Challenge::Basic), Some(secret)) => format!("Basic {secret}"),
            (Some(Challenge::Bearer { realm, service, scope }), secret) => {
                format!("Bearer {}", self.token(&realm, service, scope, secret)?)
            }
            _ => return Err(refusal(&call.method, address, answer)),
        };
        self.authorization.replace(Some(authorization));
        Ok(())
    }

    fn token(
        &self,
        realm: &str,
        service: Option<String>,
        scope: Option<String>,
        secret: Option<String>,
    ) -> Result<String> {
        let actions = if self.access == Access::Push { "pull,push" } else { "pull" };
        let scope = scope.unwrap_or_else(|| format!("repository:{}:{actions}", self.remote.path));
        let mut address = self.base()?.led_to(realm)?;
        if let Some(service) = service {
            address = address.asking(&format!("service={}", percent(&service)));
        }
        let address = address.asking(&format!("scope={}", percent(&scope)));
        let what = format!("GET {address}");
        let mut request = self.agent.get(address.url());
        if let Some(secret) = secret {
            request = request.header(header::AUTHORIZATION, format!("Basic {secret}"));
        }
        let answer = request.call().map_err(|error| failed(&what, error))?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(&Method::GET, &address, answer));
        }
        let token: Token = document::read(&what, &text(&what, answer)?)?;
        match !token.token.is_empty() && token.token.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(token.token),
            false => Err(Error::refused(format!("{what}: no token was given"))),
        }
    }
}

impl Call<'_> {
    fn changes_nothing(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

fn is_for_now(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn percent(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
