//! A registry of a few lines, that can be wrong in every way.
//!
//! accept(2). Book: "Images" (`images`).
//! Invariant: what is not said to be wrong is right; it listens on this machine only, and ends with its test.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// An answer, as it is written.
#[derive(Clone, Default)]
pub struct Answer {
    pub status: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// What is said of the body's length; None: the connection ends with it.
    pub length: Option<usize>,
    /// After the body.
    pub then: Then,
}

#[derive(Clone, Copy, Default)]
pub enum Then {
    #[default]
    End,
    /// The body, over and over.
    Again,
    /// Nothing, for as long as the other one waits.
    Silence,
}

impl Answer {
    pub fn of(status: &'static str, body: &[u8]) -> Self {
        Answer { status, body: body.to_vec(), length: Some(body.len()), ..Answer::default() }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn write(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", self.status);
        self.length.iter().for_each(|length| head += &format!("Content-Length: {length}\r\n"));
        self.headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        stream.write_all(head.as_bytes())?;
        stream.write_all(b"\r\n")?;
        stream.write_all(&self.body)?;
        match self.then {
            Then::End => (),
            Then::Again => loop {
                stream.write_all(&self.body)?;
            },
            Then::Silence => stream.read_to_end(&mut Vec::new()).map(drop)?,
        }
        stream.shutdown(Shutdown::Write)?;
        // What is not read yet would make a reset of the end.
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

/// It listens until it is dropped.
pub struct Server {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
    listens: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers each request by what `answer` makes of its first lines.
    pub fn new(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (all, end, answer) = (heads.clone(), ended.clone(), Arc::new(answer));
        let listens = Some(spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (all, answer) = (all.clone(), answer.clone());
                // Whoever is refused hangs up in the middle.
                spawn(move || stream.and_then(|mut stream| served(&mut stream, &all, &*answer)).ok());
            }
        }));
        Server { port, heads, ended, listens }
    }

    /// One that has the image of a layout, as `box`; `spoiled` makes of a path and its right answer another one.
    pub fn of(layout: PathBuf, spoiled: impl Fn(&str, Answer) -> Answer + Send + Sync + 'static) -> Self {
        Server::new(move |head| {
            let path = head.split(' ').nth(1).unwrap_or_default();
            let answer = match path
                .split('?')
                .next()
                .and_then(|it| it.strip_prefix("/v2/box/"))
                .and_then(|it| it.split_once('/'))
            {
                Some(("manifests", "latest")) => manifest(&layout),
                Some((kind, digest)) => match fs::read(layout.join("blobs").join(digest.replace(':', "/"))) {
                    Ok(text) if kind == "manifests" => {
                        Answer::of("200 OK", &text).with("Content-Type", MANIFEST)
                    }
                    Ok(blob) => Answer::of("200 OK", &blob),
                    Err(_) => Answer::of("404 Not Found", b""),
                },
                None => Answer::of("404 Not Found", b""),
            };
            spoiled(path, answer)
        })
    }

    /// The first lines of what was asked.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// So many of them have this in them.
    pub fn asked(&self, text: &str) -> usize {
        self.heads().iter().filter(|head| head.contains(text)).count()
    }

    pub fn place(&self) -> String {
        format!("localhost:{}/box", self.port)
    }
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn manifest(layout: &std::path::Path) -> Answer {
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let text = fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
    Answer::of("200 OK", &text).with("Content-Type", MANIFEST).with("Docker-Content-Digest", digest)
}

fn served(
    stream: &mut TcpStream,
    heads: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&str) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
        if head[0] == 0x16 {
            // A greeting in TLS: answered as every server of plain HTTP does.
            return Answer::of("400 Bad Request", b"").write(stream);
        }
    }
    if head.is_empty() {
        // Whoever greets nobody asks for nothing.
        return Ok(());
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    heads.lock().unwrap().push(head.clone());
    answer(&head).write(stream)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        while self.listens.as_ref().is_some_and(|it| !it.is_finished()) {
            TcpStream::connect(("127.0.0.1", self.port)).ok();
            sleep(Duration::from_millis(5));
        }
        self.listens.take().map(JoinHandle::join);
    }
}
