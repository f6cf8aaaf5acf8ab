//! The `MESSAGE_ID` of each kind of event.
//!
//! The journal finds the explanation of an event by it: `systemd/ewmirror.catalog` has one for each,
//! and `journalctl -x` shows it. An id is part of the contract, as its message is: neither ever
//! changes. It is the XXH3 of the message, in 128 bits, so that a slip in either shows.

#[cfg(test)]
mod tests;

/// Each message and its id.
const IDS: [(&str, &str); 62] = [
    ("page read", "df5806d34b284e6e75f1b3a47cc74265"),
    ("pages read", "71ffa3ecb4d6eee94942c77f042502a2"),
    ("pages read in all", "cbaa75d776a168217e133fbe1527890f"),
    ("pass complete", "f49fe60c5a52617933a67e69ad44ddca"),
    ("passes complete", "6d80d2a974fb5489c5f3ff7cccdbd3ee"),
    ("pass resumed", "6bc4464eb09872ca292b7a671130e10d"),
    ("pass started over", "9a88c9ddc2979d3af220b2d153a30b5a"),
    ("deletions held", "77545a286903e1b4834302d01a065e6b"),
    ("approved deletions made", "f9396e6d76ad07a5753554205e476ff6"),
    ("deletions no longer held", "cbb9373b7d39f91890d086099dc4346d"),
    ("mirror opened", "2d864ec5b5ade991773d2abb40dcdc6c"),
    ("mirror migrated", "212268cdb39b14f75b51a56172654571"),
    ("undelivered changes dropped", "9e98cbbe0a05795ec4e50507d0136fb7"),
    ("stepped back", "e639b812250cf4eb385da5b4ae578370"),
    ("item unreadable", "e6a1bd29940cfdba7e3b6656c47d87e5"),
    ("window unreadable", "1988153a79763dc2adedb8f59b48ef35"),
    ("signed in", "14470ed5850c83328ff01d89847e267e"),
    ("session renewed", "c0bab20c28e8265cb6497a02c0cf56c6"),
    ("REST token renewed", "e8927b00ec2752e292ee440f66c56741"),
    ("request refused", "43744cc5dfeff9a3d9be3a6d6a31fbe8"),
    ("request failed", "c25e6a15efa8aeee327354b1a28782a7"),
    ("reconnected", "2c5e1e75a0439b04fafc7a98379612af"),
    ("sessions cut short", "32e03c57ead74dc1135b4410e253cccd"),
    ("sign-in delayed", "aed4318b846083d21f32af01576c3b89"),
    ("signed out", "10b1dfad71bc7c069b747355ee7d77b0"),
    ("sign-out failed", "7f3989eb9b3e48780d249f233c572334"),
    ("starting", "6a264b8e9ea946849409c88bc32995ea"),
    ("stopping", "63efaa4f5b9c1c6c1f6ba21b92981127"),
    ("task late", "8d3f857ef61358fa017bec75f62bc286"),
    ("stopped", "ece84ccb967ab2d255addbab6613fd3e"),
    ("status endpoint unavailable", "77ede0e1e7e234bb61b7df45251c2e39"),
    ("status endpoint available", "87bf5c69d552c556b2949b593cc4ba59"),
    ("control socket unavailable", "e9a36b947e0a3ad54ad7e834d87b6b37"),
    ("control socket available", "75b6c77138c7e29b9e98a914056f5baf"),
    ("configuration warning", "8b63f2fba9558477265c56f15893a706"),
    ("configuration reloaded", "dc722a53f8c3963b2bc24a914327ab96"),
    ("configuration rejected", "4e01be3914edc3327c8bc3650bf944d3"),
    ("restart needed", "c7fd59f958e98a7ac55e8eb3f9306042"),
    ("task failed", "358ce030eec902e0ec4771ee363bec3a"),
    ("task hangs", "cf36fb7301d5eb4070ea3f9bd02e57e3"),
    ("panic", "c32c4b64184b649ee1ff2af1e73fb56e"),
    ("pass requested", "46a52f7de457d6b679742e5a00596361"),
    ("lease taken", "ace07d3a1e20ee26d8aca2387404efde"),
    ("lease lost", "9f2c5f6109c2fd72909faa9bf7e0ab53"),
    ("standing by", "f8aa0394ca9e27b3f08eecdb4e411ce2"),
    ("repository unread", "714401ee7699d36de8d8b1c69ab8823a"),
    ("model changed", "dd4c4470574913c1bdf08ccac4d8e77e"),
    ("model call unanswered", "0a5193d5952a06e7d90c622277c56442"),
    ("most items changed at once", "9dea07f15a4749bacc5d2c5adee3d013"),
    ("member ignored", "9081cae1bfc03fa0d03c6222c97f7d51"),
    ("repository taken", "0b9cf64880d87dd306852666a08a0748"),
    ("repository no longer offered", "6eef1cdb2524043447085c64151cd8a5"),
    ("repository not readable", "b5658aa6d61ed5c701ac096c0719431b"),
    ("repositories not taken", "e615db2cfa3c59bf0b881c6bfdd50f98"),
    ("view not published", "1d79b1eea18cfd4fbc313755fc48af0e"),
    ("feed delivered", "b307b994ef0c912163f8355fb781f53b"),
    ("kafka client said", "9884f16841311f219d0311f2c5e4721a"),
    ("feed failed", "c1e1f0f9cdb3940e5438103f5c63b60d"),
    ("feed delivers again", "a25f01e9dece6f52f3165c8bc5a84f35"),
    ("feed paused", "34c830e2890f4a71d7faefe87be9d904"),
    ("change parked", "1658b9087bf92323805cf5bd861dd8af"),
    ("feed fell behind the log", "9beab30aede76a24917ab8441c6cd7d5"),
];

/// The id of a message; `None` where it is no event's.
pub(super) fn message_id(message: &str) -> Option<&'static str> {
    IDS.iter().find(|(known, _)| *known == message).map(|(_, id)| *id)
}
