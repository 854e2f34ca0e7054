//! `llamita chat` in a terminal, typed to by a person.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::{ENDLESS, NO_END, command, endless, scratch_path, str};

const UP: &str = "\x1b[A";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
/// What `chat` says where Ctrl-C has stopped something.
const AGAIN: &str = "(Ctrl-C again quits";
/// Where nothing comes for so long, the test fails.
const PATIENCE: Duration = Duration::from_secs(100);

/// A terminal with a chat in it.
struct Terminal {
    child: Child,
    keyboard: File,
    /// The side of the chat, kept open so that its settings can be asked for when the chat is gone.
    line: File,
    shown: Receiver<Vec<u8>>,
    /// What was shown and not looked for yet.
    rest: String,
}

impl Terminal {
    /// Starts a chat that keeps its history in `home`.
    fn chat(home: &Path, more: &[&str]) -> Self {
        Self::ignoring(&[], home, more)
    }

    /// The same, born with these signals ignored.
    fn ignoring(signals: &'static [i32], home: &Path, more: &[&str]) -> Self {
        let size = libc::winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let (mut keyboard, mut line) = (0, 0);
        // SAFETY: it fills two descriptors, which are ours alone then.
        let (keyboard, line) = unsafe {
            let none = std::ptr::null_mut();
            let opened = libc::openpty(&mut keyboard, &mut line, none, std::ptr::null_mut(), &raw const size as *mut _);
            assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
            (File::from_raw_fd(keyboard), File::from_raw_fd(line))
        };
        let arguments =
            ["chat", "--device", "cpu", "--template", "llama3", "--date", "2024-07-26", "--temperature", "0"];
        let mut command = command(&[&arguments[..], more].concat());
        let side = || line.try_clone().expect("a descriptor");
        command.stdin(side()).stdout(side()).stderr(side());
        command.env("XDG_DATA_HOME", home).env("HOME", home).env("TERM", "xterm");
        // SAFETY: all are system calls, and allocate nothing.
        unsafe {
            command.pre_exec(move || {
                for signal in signals {
                    libc::signal(*signal, libc::SIG_IGN);
                }
                // The terminal becomes the one that Ctrl-C in it reaches.
                if libc::setsid() < 0 || libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY as _, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("the command starts");
        let (send, shown) = channel();
        let mut screen = keyboard.try_clone().expect("a descriptor");
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = screen.read(&mut bytes) {
                if count == 0 || send.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keyboard, line, shown, rest: String::new() }
    }

    /// A chat whose answers go on until something is done about it.
    fn endless_chat(home: &Path) -> Self {
        Self::chat(home, &[&["--model", str(endless()), "--context", ENDLESS], &NO_END[..]].concat())
    }

    fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("a terminal");
    }

    /// Waits until `find` finds something in what was shown; the answer is what came up to its end.
    fn until(&mut self, what: &str, find: impl Fn(&str) -> Option<usize>) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = find(&self.rest) {
                let rest = self.rest.split_off(at);
                return std::mem::replace(&mut self.rest, rest);
            }
            match self.shown.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.rest += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("no {what} in {:?}", self.rest),
            }
        }
    }

    /// Enters a line, and waits until the line editor lets go of the terminal.
    fn say(&mut self, text: &str) {
        self.type_in(&format!("{text}\r"));
        self.expect("\x1b[?2004l\r\n");
    }

    fn expect(&mut self, text: &str) -> String {
        self.until(text, |shown| shown.find(text).map(|at| at + text.len()))
    }

    /// Waits for the prompt.
    fn prompt(&mut self) -> String {
        self.expect("> ")
    }

    /// Whether it edits lines itself, as the kernel does for other programs.
    fn kernel_edits(&self) -> bool {
        let mut now = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: a 0 says that the struct was filled.
        let now = unsafe {
            assert_eq!(libc::tcgetattr(self.line.as_raw_fd(), now.as_mut_ptr()), 0);
            now.assume_init()
        };
        now.c_lflag & libc::ICANON != 0 && now.c_lflag & libc::ECHO != 0
    }

    fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end: {:?}", self.rest);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A folder for the history, with nothing in it.
fn home(name: &str) -> PathBuf {
    let home = scratch_path(name);
    std::fs::remove_dir_all(&home).ok();
    std::fs::create_dir_all(&home).expect("a writable folder");
    home
}

#[test]
fn a_conversation() {
    let home = home("conversation");
    let mut chat = Terminal::chat(&home, &["--max-tokens", "8"]);
    chat.expect("1024 tokens of context. /help lists commands, Ctrl-D quits.");
    chat.prompt();
    assert!(!chat.kernel_edits(), "the line editor does");
    chat.type_in("/help\r");
    chat.expect("/retry          answers the last message again");
    chat.prompt();
    chat.type_in("Hello\r");
    let answer = chat.expect("(the answer is cut off by --max-tokens)");
    chat.prompt();
    // Arrow up brings the last message back, and arrow up again the one before.
    chat.type_in(UP);
    chat.expect("Hello");
    chat.type_in(UP);
    chat.expect("/help");
    chat.type_in("\x15/halp\r");
    chat.expect("error: there is no command /halp");
    chat.prompt();
    chat.keyboard.write_all(b"abc\xff\r").expect("a terminal");
    chat.expect("(that was no UTF-8 text: it is left out)");
    chat.prompt();
    chat.type_in("/reset\r");
    chat.expect("(a new conversation)");
    chat.prompt();
    chat.type_in("\"\"\"\rHello\r\"\"\"\r");
    let same = chat.expect("(the answer is cut off by --max-tokens)");
    let last = |shown: &str| shown.trim_end().lines().rev().nth(1).map(str::to_owned);
    assert_eq!(last(&same), last(&answer), "{same:?} {answer:?}");
    chat.prompt();
    chat.type_in(CTRL_D);
    assert_eq!(chat.end().code(), Some(0));
    assert!(chat.kernel_edits());
    // The next chat has the history of this one.
    let kept = std::fs::read_to_string(home.join("llamita/history")).expect("a history");
    assert!(kept.contains("Hello") && kept.contains("/halp"), "{kept}");
    let mut next = Terminal::chat(&home, &[]);
    next.prompt();
    // Up within the lines of the last entry, and then two entries back.
    next.type_in(&UP.repeat(4));
    next.expect("/reset");
}

#[test]
fn ctrl_c() {
    let mut chat = Terminal::endless_chat(&home("ctrl-c"));
    chat.prompt();
    chat.say("Tell me a long story about a cat.");
    chat.until("answer", |shown| shown.rfind(|letter: char| letter.is_alphabetic()).filter(|at| *at > 3));
    assert!(chat.kernel_edits(), "the line editor rests, and so Ctrl-C is a signal");
    chat.type_in(CTRL_C);
    chat.expect(AGAIN);
    chat.prompt();
    // What comes between takes the first one back.
    chat.type_in("/context\r");
    chat.expect("of 100000 tokens, 2 messages");
    chat.prompt();
    chat.type_in(&format!("not sent{CTRL_C}"));
    chat.expect(AGAIN);
    chat.prompt();
    chat.type_in(CTRL_C);
    assert_eq!(chat.end().code(), Some(130));
    assert!(chat.kernel_edits());
}

#[test]
fn a_full_context() {
    let mut chat = Terminal::chat(&home("full"), &["--context", "96", "--stop", "\u{1}"]);
    chat.prompt();
    chat.type_in("Tell me a story.\r");
    chat.expect("(the context is full: older messages will be left out)");
    chat.prompt();
    chat.type_in("Tell me another story.\r");
    chat.expect("(the conversation is too long: the 2 oldest messages are left out)");
    chat.prompt();
    chat.type_in(&format!("{}\r", "word ".repeat(120)));
    chat.expect("the newest turn have");
    chat.prompt();
}

#[test]
fn what_ends_it_leaves_the_terminal_as_it_was() {
    for (signal, code) in [("TERM", 143), ("HUP", 129)] {
        let mut chat = Terminal::chat(&home(signal), &[]);
        chat.prompt();
        assert!(!chat.kernel_edits());
        let pid = chat.child.id().to_string();
        let kill = std::process::Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(kill.expect("kill is everywhere").success());
        assert_eq!(chat.end().code(), Some(code), "{signal}");
        assert!(chat.kernel_edits(), "{signal}");
    }
    // In the middle of an answer they end it too, where Ctrl-C would only stop the answer.
    let mut chat = Terminal::endless_chat(&home("answer"));
    chat.prompt();
    chat.say("Tell me a long story about a cat.");
    chat.until("answer", |shown| shown.rfind(|letter: char| letter.is_alphabetic()).filter(|at| *at > 3));
    let kill = std::process::Command::new("kill").args(["-s", "TERM", &chat.child.id().to_string()]).status();
    assert!(kill.expect("kill is everywhere").success());
    assert_eq!(chat.end().code(), Some(143));
}

#[test]
fn ignored_signals_end_nothing() {
    const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
    let mut chat =
        Terminal::ignoring(&SIGNALS, &home("ignored"), &["--max-tokens", "24", "--stop", "never to be seen"]);
    let send = |chat: &Terminal| {
        for signal in SIGNALS {
            // SAFETY: the child was not waited for, so the number is its own.
            assert_eq!(unsafe { libc::kill(chat.child.id() as i32, signal) }, 0);
        }
    };
    chat.prompt();
    send(&chat);
    chat.say("Tell me a long story about a cat.");
    chat.until("answer", |shown| shown.rfind(|letter: char| letter.is_alphabetic()).filter(|at| *at > 3));
    send(&chat);
    let answer = chat.expect("(the answer is cut off by --max-tokens)");
    assert!(!answer.contains(AGAIN), "{answer:?}");
    chat.prompt();
    // What is typed is no signal at the prompt.
    chat.type_in(CTRL_C);
    chat.expect(AGAIN);
    chat.prompt();
    chat.type_in(CTRL_D);
    assert_eq!(chat.end().code(), Some(0));
}
