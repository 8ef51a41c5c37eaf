//! Certificates: whom the client believes, and what becomes of a server that it does not.

use std::path::PathBuf;
use std::sync::Arc;

use oneiric_adapters::http::{Client, Limits, Policy, Request, Tls};
use oneiric_core::{Class, Fault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::RealClock;

/// Made by `make.py` in the same folder.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)
}

/// A server with the certificate `localhost`; ends when the handle is aborted.
async fn server() -> (u16, JoinHandle<()>) {
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not believe us hangs up here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    (port, serving)
}

async fn get(tls: Tls, url: String) -> Result<Vec<u8>, Fault> {
    let policy = Policy { allow_private: true, ..Policy::default() };
    let client = Client::open(policy, Limits::STANDARD, &tls, Arc::new(RealClock))?;
    client.send(Request::new("POST", url)).await.map(|response| response.body)
}

#[tokio::test]
async fn a_server_is_believed_where_a_known_authority_vouches_for_it() {
    let (port, serving) = server().await;
    let url = format!("https://127.0.0.1:{port}/");
    let known = || Tls { ca_file: Some(file("authority.pem")), verify: true };
    assert_eq!(get(known(), url.clone()).await.unwrap(), b"hi");
    assert_eq!(get(Tls { ca_file: None, verify: false }, url.clone()).await.unwrap(), b"hi");

    // Nothing was sent, and nothing will be however often it is tried.
    let fault = get(Tls::default(), url).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "certificate-refused"), "{fault}");
    assert!(fault.message.contains("`ca_file`"), "{fault}");
    serving.abort();
}
