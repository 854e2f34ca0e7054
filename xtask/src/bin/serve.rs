//! Serves the built site: plain files, their types, ranges. With `--https`, to the local network, over a certificate of
//! its own, since browsers give WebGPU and storage to secure pages alone.
//!
//! Usage: serve FOLDER PORT [--https CERTIFICATES]

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use axum_server::tls_rustls::RustlsConfig;
use http::{HeaderValue, header::CACHE_CONTROL};
use qrcode::{QrCode, render::unicode::Dense1x2};
use tower::make::Shared;
use tower_http::{services::ServeDir, set_header::SetResponseHeader};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let (folder, port, certificates) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [folder, port] => (folder, port, None),
        [folder, port, "--https", certificates] => (folder, port, Some(PathBuf::from(certificates))),
        _ => bail!("usage: serve FOLDER PORT [--https CERTIFICATES]"),
    };
    let port: u16 = port.parse().with_context(|| format!("{port} is no port"))?;
    // What is built anew must be seen at the next load.
    let fresh = HeaderValue::from_static("no-cache");
    let service = SetResponseHeader::overriding(ServeDir::new(folder), CACHE_CONTROL, fresh);
    let Some(certificates) = certificates else {
        println!("http://localhost:{port}/");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        return axum_server::bind(address).serve(Shared::new(service)).await.with_context(|| taken(port));
    };

    let own = own_address()?;
    let tls = certificate(&certificates, own).await?;
    let url = format!("https://{own}:{port}/");
    // As on paper where the terminal is dark, which cameras read best.
    let code = QrCode::new(&url)?.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    println!("{code}");
    println!("{url}");
    println!(
        "The phone must be in the same network. Its browser warns once, since the certificate is your own: go on."
    );
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    axum_server::bind_rustls(address, tls).serve(Shared::new(service)).await.with_context(|| taken(port))
}

fn taken(port: u16) -> String {
    format!("cannot serve on port {port}: choose another with --port")
}

/// This machine's address in its network: the one that packets to elsewhere would leave from. None is sent.
fn own_address() -> Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(("192.0.2.1", 9)).context("this machine is in no network that a phone could reach")?;
    Ok(socket.local_addr()?.ip())
}

/// A certificate for this address; made once, so that a phone that has accepted it need not do so again.
async fn certificate(folder: &Path, own: IpAddr) -> Result<RustlsConfig> {
    let file = |end: &str| folder.join(format!("{own}.{end}"));
    if !file("key").is_file() {
        let made = rcgen::generate_simple_self_signed([own.to_string(), "localhost".to_owned()])?;
        fs::create_dir_all(folder)?;
        fs::write(file("crt"), made.cert.pem())?;
        fs::write(file("key"), made.signing_key.serialize_pem())?;
    }
    rustls::crypto::ring::default_provider().install_default().ok();
    RustlsConfig::from_pem_file(file("crt"), file("key")).await.context("the certificate cannot be used: delete it")
}
