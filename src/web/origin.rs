//! Who may ask: pages of this server only. A page from elsewhere, open in the same browser, must not move the robot, nor
//! may a name of somebody else's that points at this machine.

use std::net::IpAddr;
use std::net::SocketAddr;

use tiny_http::Method;
use tiny_http::Request;

/// An error with the reason: the request is for another host, or comes from another origin.
pub fn check(request: &Request, at: SocketAddr) -> Result<(), String> {
    let value = |name: &'static str| {
        request.headers().iter().find(|h| h.field.equiv(name)).map(|h| h.value.as_str().to_string())
    };
    let asks = *request.method() != Method::Get;
    allowed(value("Host").as_deref(), value("Origin").as_deref(), asks, at)
}

fn allowed(host: Option<&str>, origin: Option<&str>, asks: bool, at: SocketAddr) -> Result<(), String> {
    let host = host.ok_or("the request names no host")?;
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let ours = name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if !ours || port != at.port().to_string() {
        return Err(format!("the request is for {host}, this is {at}"));
    }
    match origin {
        Some(origin) if origin == format!("http://{host}") => Ok(()),
        Some(origin) => Err(format!("a page of {origin} asks, only pages of http://{host} may")),
        None if asks => Err("the request does not say which page it comes from (Origin)".to_string()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_server_ask() {
        let at: SocketAddr = "127.0.0.1:8090".parse().unwrap();
        let may = |host, origin, asks| allowed(host, origin, asks, at).is_ok();
        assert!(may(Some("localhost:8090"), None, false) && may(Some("127.0.0.1:8090"), None, false));
        assert!(may(Some("[::1]:8090"), Some("http://[::1]:8090"), true));
        assert!(may(Some("localhost:8090"), Some("http://localhost:8090"), true));
        assert!(!may(Some("localhost:8090"), None, true), "no browser leaves it out");
        assert!(!may(Some("localhost:8090"), Some("http://evil.example"), true));
        assert!(!may(Some("localhost:8090"), Some("null"), true));
        assert!(!may(Some("evil.example:8090"), Some("http://evil.example:8090"), true), "a name that points here");
        assert!(!may(Some("localhost:80"), None, false) && !may(None, None, false));
    }
}
