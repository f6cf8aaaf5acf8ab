//! Proxies: HTTP by forwarding and by tunnel, SOCKS5 with names resolved on either side.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::server::{Received, Server, answer, json, receive};
use super::tls::Authority;
use super::*;

/// What a tunnelling proxy was asked, in words.
type PageQuery = tokio::sync::mpsc::UnboundedReceiver<String>;

/// An HTTP proxy that tunnels.
async fn tunnel() -> (String, PageQuery, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, asked) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let Some(Received { method, target, headers, .. }) = receive(&mut client).await else {
                continue;
            };
            let user = headers.iter().find(|(name, _)| name == "proxy-authorization");
            let user = user.map_or("nobody", |(_, value)| value.as_str());
            sender.send(format!("{method} {target} {user}")).unwrap();
            let mut server = TcpStream::connect(&target).await.unwrap();
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
            drop(copy_bidirectional(&mut client, &mut server).await);
        }
    });
    (address, asked, tasks)
}

/// A SOCKS5 proxy that asks for a user name and a password.
async fn socks() -> (String, PageQuery, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, asked) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let methods = field(&mut client, 1).await;
            let user = if methods.contains(&2) {
                client.write_all(&[5, 2]).await.unwrap();
                let name = field(&mut client, 1).await;
                let password = field(&mut client, 0).await;
                client.write_all(&[1, 0]).await.unwrap();
                format!("{}:{}", text(name), text(password))
            } else {
                client.write_all(&[5, 0]).await.unwrap();
                "nobody".to_owned()
            };
            let mut request = [0; 4];
            client.read_exact(&mut request).await.unwrap();
            let host = match request[3] {
                1 => {
                    let mut address = [0; 4];
                    client.read_exact(&mut address).await.unwrap();
                    std::net::Ipv4Addr::from(address).to_string()
                }
                3 => text(field(&mut client, 0).await),
                _ => {
                    let mut address = [0; 16];
                    client.read_exact(&mut address).await.unwrap();
                    format!("[{}]", std::net::Ipv6Addr::from(address))
                }
            };
            let port = client.read_u16().await.unwrap();
            sender.send(format!("{host} {user}")).unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await.unwrap();
            drop(copy_bidirectional(&mut client, &mut server).await);
        }
    });
    (address, asked, tasks)
}

/// A field with its length before it, after `skipped` bytes.
async fn field(stream: &mut TcpStream, skipped: usize) -> Vec<u8> {
    let mut head = vec![0; skipped + 1];
    stream.read_exact(&mut head).await.unwrap();
    let mut field = vec![0; usize::from(head[skipped])];
    stream.read_exact(&mut field).await.unwrap();
    field
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn through(proxy: &str, url: &str) -> Setup {
    let mut setup = Setup::new(url);
    setup.server.proxy = Some(Secret::new(proxy));
    setup
}

#[tokio::test]
async fn plain_http_is_forwarded_by_an_http_proxy() {
    let proxy = Server::start(|_| json(PAGE)).await;
    let url = format!("http://us%40er:{PROXY_PASSWORD}@{}", proxy.address);
    search_at(&through(&url, "http://enterworks.invalid/ew/")).await.unwrap();
    let search = &proxy.received()[0];
    assert_eq!(search.target, "http://enterworks.invalid/ew/webcm/rest/api/items/search");
    // "us@er:MARKER-proxy-password-5"
    let basic = "Basic dXNAZXI6TUFSS0VSLXByb3h5LXBhc3N3b3JkLTU=";
    assert_eq!(search.header("proxy-authorization"), Some(basic));
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_sees_no_token() {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("127.0.0.1"), |_| json(PAGE)).await;
    let (address, mut asked, _tasks) = tunnel().await;
    let proxy = format!("http://user:{PROXY_PASSWORD}@{address}");
    let mut setup = through(&proxy, &server.url());
    setup.server.ca_file = Some(authority.ca_file());
    search_at(&setup).await.unwrap();
    // "user:MARKER-proxy-password-5"
    let basic = "Basic dXNlcjpNQVJLRVItcHJveHktcGFzc3dvcmQtNQ==";
    assert_eq!(asked.recv().await.unwrap(), format!("CONNECT {} {basic}", server.address));
    assert_eq!(server.received()[0].header("proxy-authorization"), None);
}

#[tokio::test]
async fn socks5_carries_requests_with_user_and_password() {
    let server = Server::start(|_| json(PAGE)).await;
    let (address, mut asked, _tasks) = socks().await;
    let with_user = format!("socks5://us%40er:{PROXY_PASSWORD}@{address}");
    search_at(&through(&with_user, &server.url())).await.unwrap();
    assert_eq!(asked.recv().await.unwrap(), format!("127.0.0.1 us@er:{PROXY_PASSWORD}"));

    let port = server.address.port();
    let resolved_there = format!("http://only-the-proxy-knows.invalid:{port}/");
    search_at(&through(&format!("socks5h://{address}"), &resolved_there)).await.unwrap();
    assert_eq!(asked.recv().await.unwrap(), "only-the-proxy-knows.invalid nobody");
}

#[tokio::test]
async fn hosts_in_no_proxy_are_reached_directly() {
    let proxy = Server::start(|_| answer(502, &[], "proxy")).await;
    let server = Server::start(|_| json(PAGE)).await;
    let mut setup = through(&format!("http://{}", proxy.address), &server.url());
    for no_proxy in [vec!["127.0.0.1"], vec!["example.com", "127.0.0.0/8"], vec!["*"]] {
        setup.server.no_proxy = no_proxy.into_iter().map(str::to_owned).collect();
        search_at(&setup).await.unwrap();
    }
    assert!(proxy.received().is_empty());
    setup.server.no_proxy = vec!["example.com".to_owned()];
    assert_eq!(failed(search_at(&setup).await).status, Some(502));
}

#[tokio::test]
async fn a_proxy_that_fails_is_a_failure_without_its_password() {
    let unwilling = Server::start(|_| answer(407, &[], PROXY_PASSWORD)).await;
    let url = format!("http://user:{PROXY_PASSWORD}@{}", unwilling.address);
    let error = failed(search_at(&through(&url, "http://enterworks.invalid/")).await);
    assert_eq!((error.status, error.beginning.as_deref()), (Some(407), Some("***")));
    let error = failed(search_at(&through(&url, "https://enterworks.invalid/")).await);
    assert_eq!(error.kind, RequestErrorKind::Connect);
    let echoing = Server::start(|_| answer(502, &[], "for us+er, p@ssw, p%40ssw")).await;
    let url = format!("http://user:p%40ssw@{}", echoing.address);
    let error = failed(search_at(&through(&url, "http://enterworks.invalid/")).await);
    assert_eq!(error.beginning.as_deref(), Some("for us+er, ***, ***"));
    for scheme in ["http", "socks5", "socks5h"] {
        let gone = format!("{scheme}://user:{PROXY_PASSWORD}@127.0.0.1:1");
        let error = failed(search_at(&through(&gone, "http://127.0.0.1:2/")).await);
        assert_eq!(error.kind, RequestErrorKind::Connect, "{scheme}: {error:?}");
        assert!(!format!("{:?}", through(&gone, "http://127.0.0.1/").client()).contains("MARKER"));
    }
}

#[test]
fn a_proxy_that_cannot_be_one_is_named_and_not_shown() {
    for proxy in ["", "MARKER", "ftp://MARKER:21", "http://", "socks4://MARKER", "socks5://"] {
        let error = Client::new(&through(proxy, "http://127.0.0.1/").settings()).unwrap_err();
        assert!(error.to_string().contains("server.proxy"), "{proxy}: {error}");
        assert_no_secret(&error);
    }
}
