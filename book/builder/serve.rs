//! A server for the built book: this machine only, files only, one thread for each visitor.
//!
//! socket(2), bind(2), listen(2), accept(2) on 127.0.0.1. Book: "How to use this book".
//! A browser can open the files as well; a server is for classes, phones through a tunnel, and search.
//! Invariant: nothing outside the output directory is ever opened, and nothing is written.

use crate::links::percent_decoded;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Serves `out` until the process is ended. `ready` is told the address before the first visitor.
pub fn serve(out: &Path, port: u16, ready: impl FnOnce(&str) -> io::Result<()>) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    ready(&format!("http://{}/", listener.local_addr()?))?;
    for visitor in listener.incoming() {
        let out = out.to_owned();
        // A visitor who goes away is no reason to stop serving the others.
        thread::spawn(move || visitor.and_then(|stream| answer(&out, stream)).ok());
    }
    Ok(())
}

fn answer(out: &Path, mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut request)?;
    // The headers say nothing we need, but a client may wait until they are read.
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let mut words = request.split_whitespace();
    let (status, kind, body) = match (words.next(), words.next()) {
        (Some("GET" | "HEAD"), Some(target)) => match find(out, target).map(|path| (fs::read(&path), path)) {
            Some((Ok(body), path)) => ("200 OK", content_type(&path), body),
            _ => ("404 Not Found", "text/plain; charset=utf-8", b"not in this book\n".to_vec()),
        },
        _ => ("405 Method Not Allowed", "text/plain; charset=utf-8", b"GET or HEAD\n".to_vec()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    if !request.starts_with("HEAD ") {
        stream.write_all(&body)?;
    }
    stream.flush()
}

/// The file a request means; nothing where it would leave `out`.
fn find(out: &Path, target: &str) -> Option<PathBuf> {
    let path = percent_decoded(target.split(['?', '#']).next()?);
    let relative = Path::new(path.strip_prefix('/')?);
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let path = out.join(relative);
    let path = if path.is_dir() { path.join("index.html") } else { path };
    path.is_file().then_some(path)
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|it| it.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::sync::mpsc;

    #[test]
    fn the_book_is_served_and_nothing_else() {
        let out = std::env::temp_dir().join(format!("book-serve-{}", std::process::id()));
        fs::create_dir_all(out.join("sub")).unwrap();
        fs::write(out.join("index.html"), "the book").unwrap();
        let (send, receive) = mpsc::channel();
        let served = out.clone();
        thread::spawn(move || serve(&served, 0, |url| send.send(url.to_owned()).map_err(io::Error::other)));
        let url = receive.recv().unwrap();
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        let ask = |request: &str| {
            let mut stream = TcpStream::connect(host).unwrap();
            stream.write_all(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let page = ask("GET /?x");
        assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("the book"), "{page}");
        assert!(ask("HEAD /index.html").ends_with("\r\n\r\n"));
        for outside in ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/sub", "/none"] {
            assert!(ask(&format!("GET {outside}")).starts_with("HTTP/1.1 404"), "{outside}");
        }
        assert!(ask("POST /").starts_with("HTTP/1.1 405"));
        fs::remove_dir_all(&out).unwrap();
    }
}
