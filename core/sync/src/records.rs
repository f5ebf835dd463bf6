//! What the protocol asks of the phone's store. Each call is one transaction: done whole, or not at all, and on the disk when it returns.

use serde_json::Value;

/// A change that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Order of writing.
    pub seq: i64,
    /// The patient it depends on, or the encounter when anonymous.
    pub root: String,
    /// The record's kind; [`PHOTO`] has a file besides its text.
    pub kind: String,
    /// The record's id.
    pub record: String,
}

/// The kind of record that has a file.
pub const PHOTO: &str = "photo";

/// What is known of a resource on the server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// Its version there; `None` while it is not known whether it arrived.
    pub version: Option<String>,
    /// Our record's words as last agreed (base64 of SHA-1): equal words need not be sent again.
    pub digest: String,
    /// Our record's words as last agreed, for kinds that change; see [`crate::merge::Base`].
    pub ours: Option<Value>,
    /// The whole resource as last seen there, for kinds that change.
    pub full: Option<Value>,
    /// What was tried since, until its fate is known: any of these may be there, or yet arrive.
    pub attempts: Vec<Value>,
}

/// An element that was changed here and on the server: the server's value is in place, ours waits for somebody to look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// `Type/id`.
    pub reference: String,
    /// Name of the element.
    pub element: String,
    /// Our value; `Null` where we removed it.
    pub ours: Value,
    /// The server's value; `Null` where it was removed there.
    pub theirs: Value,
}

/// Elements that a record takes over from the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Take {
    /// The server's resource.
    pub resource: Value,
    /// What our record said when it was compared, digested: one that says something else by now has been edited meanwhile.
    pub digest: String,
    /// Names of the elements.
    pub elements: Vec<String>,
}

/// What an answer from the server has settled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// Changes that the server has; earlier changes of the same records are sent with them.
    pub sent: Vec<i64>,
    /// Changes that the server refuses, and why.
    pub refused: Vec<(i64, String)>,
    /// New knowledge, by reference.
    pub known: Vec<(String, Known)>,
    /// Taken over from the server. The store then sets [`Known::ours`] and the digest by what the record says after that.
    pub takes: Vec<Take>,
    /// For somebody to look at.
    pub reviews: Vec<Review>,
}

/// A resource that somebody else wrote about a case of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The resource.
    pub resource: Value,
    /// What it refers to, `Type/id`.
    pub refers_to: Vec<String>,
}

/// The phone's store. Others may write to it between two calls: a doctor saves a case while a sync runs.
pub trait Records {
    /// What goes wrong with it.
    type Error: std::error::Error;

    /// Changes that wait and that may leave now (consent!), oldest first; of one root, or of all. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn waiting(&mut self, root: Option<&str>) -> Result<Vec<Change>, Self::Error>;

    /// Changes that wait for lack of consent. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn held_back(&mut self) -> Result<u64, Self::Error>;

    /// Changes that the server has refused, with its reasons. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn refused(&mut self) -> Result<Vec<(Change, String)>, Self::Error>;

    /// The resources that stand for a record now, those it refers to first. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn resources(&mut self, kind: &str, record: &str) -> Result<Vec<Value>, Self::Error>;

    /// What a reference's record says now; `None` when it is no record of ours. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn current(&mut self, reference: &str) -> Result<Option<Value>, Self::Error>;

    /// A photo's file; `None` when it cannot be read. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn photo(&mut self, id: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// A small picture that stands for the photo until its file is there; `None` where that would spare nothing. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn preview(&mut self, id: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// What is known of a reference. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn known(&mut self, reference: &str) -> Result<Option<Known>, Self::Error>;

    /// Notes what is about to be sent, before it is. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn attempt(&mut self, resources: &[(String, Known)]) -> Result<(), Self::Error>;

    /// Notes what an answer has settled; false, and nothing is noted, when a record that takes elements over was edited since
    /// ([`Take::digest`]). Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn settle(&mut self, settled: &Settled) -> Result<bool, Self::Error>;

    /// Keeps those answers that concern a record of ours; how many were new. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn receive(&mut self, answers: &[Answer]) -> Result<u64, Self::Error>;

    /// A kept value (cursor, upload address, token). Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn value(&mut self, name: &str) -> Result<Option<String>, Self::Error>;

    /// Keeps a value, or forgets it. Does I/O.
    ///
    /// # Errors
    /// When the store refuses.
    fn set_value(&mut self, name: &str, value: Option<&str>) -> Result<(), Self::Error>;
}
