//! What the protocol asks of the network: one request, one answer or none, a pause, a die. [`crate::http`] does it over HTTP; the fault
//! simulation does it in memory.

use std::time::Duration;

/// One request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// HTTP's method.
    pub method: &'static str,
    /// Absolute address.
    pub url: String,
    /// Names in small letters.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without body.
    #[must_use]
    pub fn new(method: &'static str, url: String) -> Self {
        Self { method, url, ..Self::default() }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }
}

/// One whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP's status.
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// What came, unpacked.
    pub body: Vec<u8>,
}

impl Response {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no whole answer. What was asked may have been done all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// No connection, or it broke.
    Broken,
    /// No answer in time.
    TimedOut,
    /// Whoever started the sync wants it to end.
    Stopped,
}

/// The network, the clock and the die.
pub trait Net {
    /// Sends a request and waits for its answer. Does I/O.
    ///
    /// # Errors
    /// When no whole answer comes.
    fn send(&mut self, request: &Request) -> Result<Response, Lost>;

    /// Pauses. Blocks.
    ///
    /// # Errors
    /// [`Lost::Stopped`] when the sync shall end.
    fn wait(&mut self, pause: Duration) -> Result<(), Lost>;

    /// Time since some fixed moment; never runs backwards, whatever is done to the phone's clock.
    fn elapsed(&self) -> Duration;

    /// A random number.
    fn random(&mut self) -> u64;

    /// Bodies sent and received so far, bytes.
    fn bytes(&self) -> u64;
}
