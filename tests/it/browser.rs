//! A page in a real browser, Debian's package `chromium`, that a test looks at and clicks on: driven by what
//! developers' tools use (the Chrome `DevTools` protocol), over pipes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::page::BROWSER;
use crate::support::{DEADLINE, pause};

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    calls: u64,
    session: Option<String>,
    /// What it complained of.
    complaints: Vec<String>,
    folder: TempDir,
}

impl Browser {
    /// With an empty page; `None` where there is no browser.
    pub(crate) fn start() -> Option<Self> {
        if !Path::new(BROWSER).exists() {
            return None;
        }
        let folder = TempDir::new().expect("a directory for the test");
        let profile = folder.path().join("profile");
        // It reads from the third descriptor and writes to the fourth.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", BROWSER])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--no-proxy-server", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .env("HOME", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser runs");
        let to = child.stdin.take().expect("it has a pipe");
        let from = BufReader::new(child.stdout.take().expect("it has a pipe"));
        let (session, complaints) = (None, Vec::new());
        let mut browser = Self { child, to, from, calls: 0, session, complaints, folder };
        let page = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.call("Log.enable", &json!({}));
        let downloads = browser.folder.path().join("downloads");
        let allow = json!({"behavior": "allow", "downloadPath": downloads});
        browser.call("Browser.setDownloadBehavior", &allow);
        Some(browser)
    }

    /// Where downloads go.
    pub(crate) fn downloads(&self) -> std::path::PathBuf {
        self.folder.path().join("downloads")
    }

    /// What the page may not do and tried.
    pub(crate) fn violations(&self) -> Vec<&String> {
        self.complaints.iter().filter(|it| it.contains("Content Security Policy")).collect()
    }

    /// Opens a page.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", &json!({"url": url}));
    }

    /// What an expression of the page's script is worth.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let evaluate = json!({"expression": expression, "returnByValue": true});
        let told = self.call("Runtime.evaluate", &evaluate);
        assert!(told.get("exceptionDetails").is_none(), "{expression}: {told}");
        told["result"]["value"].clone()
    }

    /// The text of an element, as it is shown.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector('{selector}')?.innerText ?? ''"));
        text.as_str().expect("a text").to_owned()
    }

    /// Waits until an expression holds.
    pub(crate) fn wait_until(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.value(&format!("Boolean({expression})")) != true {
            let late = begun.elapsed() > DEADLINE;
            assert!(!late, "{expression}: {}", self.value("document.body.innerText"));
            pause(Duration::from_millis(50));
        }
    }

    /// Clicks on an element.
    pub(crate) fn click(&mut self, selector: &str) {
        self.value(&format!("document.querySelector('{selector}').click()"));
    }

    /// Types a text into a field, which is empty then but for it.
    pub(crate) fn write(&mut self, selector: &str, text: &str) {
        self.value(&format!("document.querySelector('{selector}').select()"));
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Calls a method of the protocol.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": parameters});
        if let Some(session) = &self.session
            && !method.starts_with("Browser.")
        {
            call["sessionId"] = session.as_str().into();
        }
        let mut message = call.to_string().into_bytes();
        message.push(0);
        self.to.write_all(&message).expect("the browser listens");
        loop {
            let mut told = Vec::new();
            self.from.read_until(0, &mut told).expect("the browser speaks");
            assert_eq!(told.pop(), Some(0), "the browser ended");
            let mut told: Value = serde_json::from_slice(&told).expect("JSON");
            if told["method"] == "Log.entryAdded" {
                self.complaints.push(told["params"]["entry"]["text"].to_string());
            }
            if told["id"] == self.calls {
                assert!(told.get("error").is_none(), "{method}: {told}");
                return told["result"].take();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
