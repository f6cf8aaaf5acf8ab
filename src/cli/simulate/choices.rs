//! What flags of `ewmirror simulate` choose from, and what that is to the look-alike, which knows no
//! command line.

use clap::ValueEnum;

use crate::simulator::{
    LoginAnswer, OauthReads, Order, SimulatedModel, SimulatedRefusal, StaleRestToken,
};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OrderArg {
    /// Ascending by item id
    Id,
    /// Last change first
    Modified,
    /// None that means anything, but a stable one
    Shuffled,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ModelArg {
    /// A list, members in camel case
    Flat,
    /// Groups, members in Pascal case, codes as a tree
    Nested,
    /// A map by field id, members in snake case
    Map,
    /// Pages of ten
    Paged,
    /// 404: a server without such calls
    None,
    /// 403: a user who may not ask
    Forbidden,
    /// An HTML page
    Html,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StaleArg {
    /// A refusal
    Refuse,
    /// Another new REST token
    Renew,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LoginAnswerArg {
    /// As a token object and as cookies
    Both,
    /// As cookies alone
    Cookies,
    /// As a token object alone
    Token,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OauthReadsArg {
    /// In the URL and in the body
    Both,
    /// In the body alone
    Body,
    /// In the URL alone, as servers before 10.2.1
    Url,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RefusalArg {
    /// HTTP 401
    #[value(name = "401")]
    Unauthorized,
    /// HTTP 403
    #[value(name = "403")]
    Forbidden,
    /// HTTP 200 with "success": false
    Success,
    /// HTTP 200 with a status other than 0
    Status,
    /// An HTML sign-in page
    Html,
    /// A redirect to the sign-in page
    Redirect,
    /// Each time another one
    Any,
}

impl From<StaleArg> for StaleRestToken {
    fn from(asked: StaleArg) -> Self {
        match asked {
            StaleArg::Refuse => StaleRestToken::Refuse,
            StaleArg::Renew => StaleRestToken::Renew,
        }
    }
}

impl From<LoginAnswerArg> for LoginAnswer {
    fn from(asked: LoginAnswerArg) -> Self {
        match asked {
            LoginAnswerArg::Both => LoginAnswer::Both,
            LoginAnswerArg::Cookies => LoginAnswer::Cookies,
            LoginAnswerArg::Token => LoginAnswer::Token,
        }
    }
}

impl From<OauthReadsArg> for OauthReads {
    fn from(asked: OauthReadsArg) -> Self {
        match asked {
            OauthReadsArg::Both => OauthReads::Both,
            OauthReadsArg::Body => OauthReads::Body,
            OauthReadsArg::Url => OauthReads::Url,
        }
    }
}

impl From<RefusalArg> for Option<SimulatedRefusal> {
    fn from(asked: RefusalArg) -> Self {
        match asked {
            RefusalArg::Unauthorized => Some(SimulatedRefusal::Unauthorized),
            RefusalArg::Forbidden => Some(SimulatedRefusal::Forbidden),
            RefusalArg::Success => Some(SimulatedRefusal::Success),
            RefusalArg::Status => Some(SimulatedRefusal::Status),
            RefusalArg::Html => Some(SimulatedRefusal::Html),
            RefusalArg::Redirect => Some(SimulatedRefusal::Redirect),
            RefusalArg::Any => None,
        }
    }
}

impl From<OrderArg> for Order {
    fn from(asked: OrderArg) -> Self {
        match asked {
            OrderArg::Id => Order::Id,
            OrderArg::Modified => Order::Modified,
            OrderArg::Shuffled => Order::Shuffled,
        }
    }
}

impl From<ModelArg> for SimulatedModel {
    fn from(asked: ModelArg) -> Self {
        match asked {
            ModelArg::Flat => SimulatedModel::Flat,
            ModelArg::Nested => SimulatedModel::Nested,
            ModelArg::Map => SimulatedModel::Map,
            ModelArg::Paged => SimulatedModel::Paged,
            ModelArg::None => SimulatedModel::None,
            ModelArg::Forbidden => SimulatedModel::Forbidden,
            ModelArg::Html => SimulatedModel::Html,
        }
    }
}
