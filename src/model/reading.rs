//! What to ask a server for to learn the model of a repository, and what came of it. Pure: who asks is
//! told the next request, and tells what was answered.
//!
//! Guarantees: the number of requests is bounded; a call that the server does not answer is not asked
//! again in the same reading; whatever is answered, there is a model at the end.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use serde_json::Value;

use super::attributes::AttributesAnswer;
use super::repository_model::{CodeSet, RepositoryModel};
use super::{code_sets, links};
use crate::domain::RepositoryId;

/// The most pages of attributes that are read.
const MOST_PAGES: u32 = 200;
/// The most code sets that are asked for.
const MOST_ASKED: u32 = 500;
/// The largest answer that is read, in bytes: as a tree it takes a multiple of that.
const LARGEST_ANSWER: usize = 16 << 20;
/// The most bytes of answers that are kept of a repository.
const MOST_KEPT: usize = 32 << 20;

/// A question about the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataRequest {
    /// `GET /repositories/{name}/attributes`, with the query of a later page.
    Attributes {
        /// The repository's name.
        repository: String,
        /// The query; `None` for the first page.
        query: Option<String>,
    },
    /// `GET /repositories/{name}/attributes/{attribute}/values`.
    Values {
        /// The repository's name.
        repository: String,
        /// The attribute, by name or field id.
        attribute: String,
    },
    /// `POST /items/attrValueOptions`, which reads only.
    ValueOptions {
        /// The repository.
        repository: RepositoryId,
        /// The attribute's field id.
        attribute: String,
    },
    /// `GET /links/{linkId}`.
    Link(
        /// Its id, a whole number.
        String,
    ),
}

impl MetadataRequest {
    /// What kind of call it is, for logs and the mirror.
    pub fn call(&self) -> &'static str {
        match self {
            Self::Attributes { .. } => "attributes",
            Self::Values { .. } => "values",
            Self::ValueOptions { .. } => "attrValueOptions",
            Self::Link(_) => "links",
        }
    }

    /// What it is about, where that is not the repository.
    fn subject(&self) -> String {
        match self {
            Self::Attributes { query, .. } => query.clone().unwrap_or_default(),
            Self::Values { attribute, .. } | Self::ValueOptions { attribute, .. } => {
                attribute.clone()
            }
            Self::Link(id) => id.clone(),
        }
    }
}

/// What a server says to a question about the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataReply {
    /// JSON, as far as its beginning tells.
    Answer(Bytes),
    /// That it does not answer such a call, or not to this login.
    Unanswered(String),
}

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAnswer {
    /// The kind of call.
    pub call: String,
    /// What of it was asked for; empty for the whole.
    pub subject: String,
    /// The answer.
    pub body: Bytes,
}

/// What a reading came to.
#[derive(Debug, Default)]
pub struct ModelRead {
    /// The model.
    pub model: RepositoryModel,
    /// The answers, as far as they fit.
    pub answers: Vec<RawAnswer>,
    /// The calls that were not answered, each with the reason.
    pub unanswered: Vec<(&'static str, String)>,
}

/// One reading of a repository's model.
#[derive(Debug)]
pub struct ModelReading {
    repository: RepositoryId,
    /// What stands for the repository in a path.
    name: String,
    next: Option<MetadataRequest>,
    read: ModelRead,
    pages: u32,
    links: BTreeSet<String>,
    code_sets: VecDeque<AskedCodeSet>,
    /// Which spelling of an attribute the server took.
    spelling: Option<usize>,
    asked: u32,
}

/// A code set that is to be asked for.
#[derive(Clone, Debug)]
struct AskedCodeSet {
    name: String,
    /// How its attribute may be called in a path, the likeliest first.
    spellings: Vec<String>,
    id: String,
}

impl ModelReading {
    /// A reading of this repository; `name` is what the server's list calls it.
    pub fn new(repository: RepositoryId, name: Option<String>) -> Self {
        let path = name.clone().unwrap_or_else(|| repository.to_string());
        let next = MetadataRequest::Attributes { repository: path.clone(), query: None };
        let model = RepositoryModel { name, ..RepositoryModel::default() };
        Self {
            repository,
            name: path,
            next: Some(next),
            read: ModelRead { model, ..ModelRead::default() },
            pages: 0,
            links: BTreeSet::new(),
            code_sets: VecDeque::new(),
            spelling: None,
            asked: 0,
        }
    }

    /// What to ask for next; `None` at the end.
    pub fn next(&self) -> Option<&MetadataRequest> {
        self.next.as_ref()
    }

    /// Takes what the server said to [`ModelReading::next`].
    pub fn take(&mut self, reply: MetadataReply) {
        let Some(request) = self.next.take() else { return };
        match reply {
            MetadataReply::Unanswered(reason) => self.unanswered(&request, reason),
            MetadataReply::Answer(body) if body.len() > LARGEST_ANSWER => {
                let reason = format!("the answer is larger than {LARGEST_ANSWER} bytes");
                self.unanswered(&request, reason);
            }
            MetadataReply::Answer(body) => match serde_json::from_slice::<Value>(&body) {
                Ok(answer) => self.answered(&request, &answer, body),
                // The library's words may quote the answer.
                Err(_) => self.unanswered(&request, "the answer is no JSON".to_owned()),
            },
        }
    }

    /// Ends the reading with what is known by now.
    pub fn finish(self) -> ModelRead {
        self.read
    }

    fn answered(&mut self, request: &MetadataRequest, answer: &Value, body: Bytes) {
        let kept: usize = self.read.answers.iter().map(|answer| answer.body.len()).sum();
        if kept + body.len() <= MOST_KEPT {
            let (call, subject) = (request.call().to_owned(), request.subject());
            self.read.answers.push(RawAnswer { call, subject, body });
        }
        match request {
            MetadataRequest::Attributes { .. } => self.take_attributes(answer),
            MetadataRequest::Values { attribute, .. } => {
                let front = self.code_sets.front();
                let spelling =
                    front.and_then(|it| it.spellings.iter().position(|it| it == attribute));
                self.spelling = self.spelling.or(spelling);
                self.take_codes(answer);
            }
            MetadataRequest::ValueOptions { .. } => self.take_codes(answer),
            MetadataRequest::Link(id) => {
                if let Some(link) = links::link(answer, id) {
                    self.read.model.add_link(link);
                }
                self.next_link();
            }
        }
    }

    fn take_attributes(&mut self, answer: &Value) {
        let AttributesAnswer { model, links, next_page } = AttributesAnswer::read(answer);
        let before = self.read.model.attributes.len();
        model.languages.iter().for_each(|it| self.read.model.add_language(it));
        model.attributes.into_iter().for_each(|it| self.read.model.add_attribute(it));
        model.code_sets.into_iter().for_each(|it| self.read.model.add_code_set(it));
        self.links.extend(links);
        self.pages += 1;
        // A server that ignores the page says the same over and over.
        let is_news = self.read.model.attributes.len() > before;
        if let Some(query) = next_page.filter(|_| is_news && self.pages < MOST_PAGES) {
            let (repository, query) = (self.name.clone(), Some(query));
            self.next = Some(MetadataRequest::Attributes { repository, query });
        } else {
            self.list_code_sets();
        }
    }

    /// What is left to ask once all attributes are known.
    fn list_code_sets(&mut self) {
        let model = &self.read.model;
        let mut names = BTreeSet::new();
        for attribute in &model.attributes {
            let Some(name) = &attribute.code_set else { continue };
            if model.code_set(name).is_some_and(|it| !it.codes.is_empty()) || !names.insert(name) {
                continue;
            }
            let spellings = [
                attribute.name.clone(),
                Some(attribute.id.clone()),
                attribute.restricted_name.clone(),
            ];
            let mut spellings: Vec<String> = spellings.into_iter().flatten().collect();
            spellings.dedup();
            let (name, id) = (name.clone(), attribute.id.clone());
            self.code_sets.push_back(AskedCodeSet { name, spellings, id });
        }
        self.next_code_set();
    }

    fn take_codes(&mut self, answer: &Value) {
        if let Some(AskedCodeSet { name, .. }) = self.code_sets.pop_front() {
            let codes = code_sets::codes(answer);
            if !codes.is_empty() {
                self.read.model.add_code_set(CodeSet { name, codes });
            }
        }
        self.next_code_set();
    }

    fn next_code_set(&mut self) {
        let answers = |call| !self.read.unanswered.iter().any(|(other, _)| *other == call);
        let (values, options) = (answers("values"), answers("attrValueOptions"));
        self.next = self.code_sets.front().filter(|_| self.asked < MOST_ASKED).and_then(|set| {
            let spelling = set.spellings.get(self.spelling.unwrap_or_default());
            match spelling.or(set.spellings.first()) {
                Some(attribute) if values => Some(MetadataRequest::Values {
                    repository: self.name.clone(),
                    attribute: attribute.clone(),
                }),
                _ if options => Some(MetadataRequest::ValueOptions {
                    repository: self.repository,
                    attribute: set.id.clone(),
                }),
                _ => None,
            }
        });
        self.asked += 1;
        if self.next.is_none() {
            self.next_link();
        }
    }

    fn next_link(&mut self) {
        let answers = !self.read.unanswered.iter().any(|(call, _)| *call == "links");
        self.next = self.links.pop_first().filter(|_| answers).map(MetadataRequest::Link);
    }

    fn unanswered(&mut self, request: &MetadataRequest, reason: String) {
        if let MetadataRequest::Values { attribute, .. } = request
            && let Some(set) = self.code_sets.front()
        {
            let other = set.spellings.iter().skip_while(|it| *it != attribute).nth(1);
            match (self.spelling, other) {
                // Which one it takes is not known yet.
                (None, Some(other)) => {
                    let (repository, attribute) = (self.name.clone(), other.clone());
                    self.next = Some(MetadataRequest::Values { repository, attribute });
                    return;
                }
                // It answers for others, and not for this one.
                (Some(_), _) => {
                    self.code_sets.pop_front();
                    return self.next_code_set();
                }
                (None, None) => {}
            }
        }
        self.read.unanswered.push((request.call(), reason));
        match request {
            MetadataRequest::Attributes { .. } => self.list_code_sets(),
            MetadataRequest::Values { .. } | MetadataRequest::ValueOptions { .. } => {
                self.next_code_set();
            }
            MetadataRequest::Link(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn path(request: &MetadataRequest) -> String {
        format!("{} {}", request.call(), request.subject())
    }

    /// Reads from a server that answers as this function does.
    fn read(server: impl Fn(&MetadataRequest) -> Option<Value>) -> (ModelRead, Vec<String>) {
        let mut reading = ModelReading::new(RepositoryId(7), Some("Products".to_owned()));
        let mut asked = Vec::new();
        while let Some(request) = reading.next() {
            asked.push(path(request));
            assert!(asked.len() < 2000, "there is no end");
            let reply = server(request).map_or_else(
                || MetadataReply::Unanswered("status 404".to_owned()),
                |answer| MetadataReply::Answer(Bytes::from(answer.to_string())),
            );
            reading.take(reply);
        }
        (reading.finish(), asked)
    }

    fn attributes() -> Value {
        json!({"data": [
            {"fieldId": "F_1", "name": "Colour", "codeSetName": "Colours", "linkId": 12},
            {"fieldId": "F_2", "name": "Other colour", "codeSetName": "Colours"},
            {"fieldId": "F_3", "name": "Size", "codeSetName": "Sizes"},
        ]})
    }

    #[test]
    fn attributes_code_sets_and_links_are_asked_for_once_each() {
        let (read, asked) = read(|request| match request {
            MetadataRequest::Attributes { .. } => Some(attributes()),
            MetadataRequest::Values { .. } => Some(json!([{"code": "R", "description": "red"}])),
            MetadataRequest::Link(_) => Some(json!({"parentRepository": 7, "childRepository": 8})),
            MetadataRequest::ValueOptions { .. } => None,
        });
        assert_eq!(asked, ["attributes ", "values Colour", "values Size", "links 12"]);
        assert_eq!(read.model.name.as_deref(), Some("Products"));
        assert_eq!((read.model.attributes.len(), read.model.code_sets.len()), (3, 2));
        assert_eq!((read.model.links.len(), read.answers.len()), (1, 4));
        assert_eq!(read.unanswered, []);
    }

    #[test]
    fn the_spelling_of_an_attribute_is_found_out_once() {
        let (read, asked) = read(|request| match request {
            MetadataRequest::Attributes { .. } => Some(attributes()),
            MetadataRequest::Values { attribute, .. } => {
                attribute.starts_with("F_").then(|| json!(["a", "b"]))
            }
            _ => None,
        });
        let expected = ["attributes ", "values Colour", "values F_1", "values F_3", "links 12"];
        assert_eq!(asked, expected);
        assert_eq!(read.model.code_sets.len(), 2);
        assert_eq!(read.unanswered.len(), 1);
    }

    #[test]
    fn a_call_that_is_not_answered_is_not_asked_again() {
        let (read, asked) = read(|request| match request {
            MetadataRequest::Attributes { .. } => Some(attributes()),
            _ => None,
        });
        let expected =
            ["attributes ", "values Colour", "values F_1", "attrValueOptions F_1", "links 12"];
        assert_eq!(asked, expected);
        assert_eq!(read.model.attributes.len(), 3);
        let (read, asked) = self::read(|_| None);
        assert_eq!((asked.len(), read.unanswered.len()), (1, 1));
        assert!(read.model.attributes.is_empty());
    }

    #[test]
    fn pages_are_followed_as_long_as_they_bring_something() {
        let page = |request: &MetadataRequest| match request {
            MetadataRequest::Attributes { query, .. } => {
                let number: u64 = query
                    .as_deref()
                    .map_or(0, |query| query.trim_start_matches("page=").parse().unwrap());
                let number = number.min(2);
                Some(
                    json!({"content": [{"id": number + 1, "name": "x"}], "totalPages": 9, "number": number}),
                )
            }
            _ => None,
        };
        let (read, asked) = read(page);
        assert_eq!(
            asked,
            ["attributes ", "attributes page=1", "attributes page=2", "attributes page=3"]
        );
        assert_eq!(read.model.attributes.len(), 3);
    }

    proptest! {
        #[test]
        fn whatever_is_answered_there_is_an_end(replies in prop::collection::vec(0..6_u8, 1..20)) {
            let count = std::cell::Cell::new(0_usize);
            let (_, asked) = read(|_| {
                let number = count.get();
                count.set(number + 1);
                match replies[number % replies.len()] {
                    0 => None,
                    1 => Some(attributes()),
                    2 => Some(json!({"content": [{"id": number, "codeSet": number, "name": "x"}],
                        "totalPages": 1_000_000, "number": number})),
                    3 => Some(json!([{"id": "F_9", "codeSet": "c", "name": "x", "links": [number]}])),
                    4 => Some(json!(["a"])),
                    _ => Some(json!(null)),
                }
            });
            prop_assert!(!asked.is_empty());
        }
    }
}
