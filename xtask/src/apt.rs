//! Installing system packages, with consent, on Debian and its relatives.

use std::{
    env,
    fs::{self, File},
    io::{self, BufRead, IsTerminal, Write},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::shell;

/// Whether packages may be installed without asking.
#[derive(Args, Clone, Copy)]
pub struct Consent {
    /// Install missing system packages without asking
    #[arg(long, short)]
    yes: bool,
}

/// True where apt-get can install packages.
pub fn available() -> bool {
    cfg!(target_os = "linux") && shell::which("apt-get").is_some()
}

/// Installs the packages after asking; unasked with --yes, in CI, and where there is no terminal to ask at.
pub fn install(packages: &[&str], why: &str, consent: Consent) -> Result<()> {
    let list = packages.join(" ");
    if !available() {
        bail!("{why}: install {list}, or your system's packages of that kind");
    }
    if !consent.yes && !shell::in_ci() && io::stdin().is_terminal() {
        eprint!("{why}. Run `apt-get install {list}` now? [Y/n] ");
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes") {
            bail!("{why}, and installing {list} was declined");
        }
    } else {
        eprintln!("{why}: installing {list}");
    }
    let _alone = alone()?;
    refresh()?;
    shell::run(as_root()?.args(["install", "-y", "--no-install-recommends"]).args(packages))
}

/// Refreshes the package lists, once per run of this program.
pub fn update() -> Result<()> {
    let _alone = alone()?;
    refresh()
}

/// Waits until no other process of this program changes the system's packages: apt fails where another runs.
fn alone() -> Result<File> {
    let folder = shell::cache_dir();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join("apt.lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn refresh() -> Result<()> {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_none() {
        shell::run(as_root()?.args(["update", "-q"]))?;
        let _ = DONE.set(());
    }
    Ok(())
}

/// apt-get with the rights to change the system.
fn as_root() -> Result<Command> {
    let user = shell::output(Command::new("id").arg("-u"))?;
    let mut command = if user.trim() == "0" {
        Command::new("apt-get")
    } else if shell::which("sudo").is_some() {
        let mut sudo = Command::new("sudo");
        if !io::stdin().is_terminal() {
            sudo.arg("-n"); // A password nobody can type is an error, not a wait.
        }
        sudo.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    } else {
        bail!("installing packages needs root, and there is no sudo");
    };
    command.env("DEBIAN_FRONTEND", "noninteractive").current_dir(env::temp_dir()).arg("-oAcquire::Retries=3");
    Ok(command)
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    #[test]
    fn one_at_a_time_changes_packages() {
        let first = alone().expect("a folder for caches");
        let second = thread::spawn(|| alone().map(drop));
        thread::sleep(Duration::from_millis(50));
        assert!(!second.is_finished(), "the second waits");
        drop(first);
        assert!(second.join().expect("it does not panic").is_ok());
    }
}
