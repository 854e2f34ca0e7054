//! Serving the site: to this machine, or to a phone.

use anyhow::{Result, ensure};

use super::web_dir;
use crate::shell;

/// Serves the built site until it is stopped. A phone gets it through `adb` where one is connected, which needs no
/// certificate, since its own localhost is a secure place; or else over HTTPS in the local network.
pub fn run(port: u16, phone: bool) -> Result<()> {
    let site = web_dir().join("site");
    ensure!(site.join("index.html").is_file(), "there is no page in {}", site.display());
    let mut serve =
        shell::cargo(["run", "--quiet", "--package", "xtask", "--features", "serve", "--bin", "serve", "--"]);
    serve.arg(site).arg(port.to_string());
    if phone && !through_adb(port)? {
        serve.arg("--https").arg(web_dir().join("certificates"));
    }
    shell::run(&mut serve)
}

/// Lets a connected Android device reach this machine's port as its own, and opens the page there. False without one.
fn through_adb(port: u16) -> Result<bool> {
    let Some(adb) = shell::which("adb") else { return Ok(false) };
    let devices = shell::output(shell::program(&adb, shell::root()).arg("devices"))?;
    if !has_device(&devices) {
        return Ok(false);
    }
    let tcp = format!("tcp:{port}");
    shell::run(shell::program(&adb, shell::root()).args(["reverse", &tcp, &tcp]))?;
    let url = format!("http://localhost:{port}/");
    println!("On the phone, open {url} in Chrome.");
    let view = ["shell", "am", "start", "-a", "android.intent.action.VIEW", "-d", &url];
    // It may be locked, or have no browser: then the address above is what is left.
    if let Err(error) = shell::run(shell::program(&adb, shell::root()).args(view)) {
        eprintln!("{error:#}");
    }
    Ok(true)
}

/// Whether `adb devices` lists one that is ready.
fn has_device(listed: &str) -> bool {
    listed.lines().skip(1).any(|line| line.split_whitespace().nth(1) == Some("device"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_device_that_is_ready_counts() {
        assert!(has_device("List of devices attached\nR58M123\tdevice\n\n"));
        assert!(has_device("List of devices attached\nA\toffline\nB\tdevice\n"));
        assert!(!has_device("List of devices attached\nR58M123\tunauthorized\n"));
        assert!(!has_device("List of devices attached\n\n"));
    }
}
