//! What the fuzz targets hold the program against: readers of their own, written from the
//! standards and apart from the program's, so that both are not wrong in the same way.
//!
//! | target | what is fuzzed | what must hold |
//! | --- | --- | --- |
//! | `search` | the answer to a search, to one item, to what repositories there are | a page exactly where [`json`] finds one, with its items byte for byte |
//! | `login` | the answers to login, token call, reauth and logout, with cookies | tokens exactly as they stand in body or cookies; no success without the server's word |
//! | `config` | the text of a configuration | faults with key and remedy, without the password, or a configuration that is the same in its effective form |
//! | `headers` | Retry-After, Location | the wait that [`date`] finds; no redirect astray |
//! | `ids` | JSON pointers, ids of items | the id that a walk along RFC 6901 finds |
//! | `canonical` | two JSON texts and what to ignore | the same exactly if equal; respelled, always |
//! | `csv` | items as a table | read by [`csv`], what the items say |
//! | `checkpoint` | a stored pass, damaged | it is taken up as it was, or not at all |
//! | `history` | two states of an item | an envelope that is JSON with both in it; differences exactly where they differ |
//! | `fingerprint` | two answers to one search | the second, read with the fingerprints of the first, is what it is read from scratch |
//! | `pull` | a request of the pull API, with its headers | the token alone lets in, over each path that tells anything; a query means what an independent reader finds in it, or its refusal says what is wrong |
//! | `redact` | a body with a secret in it | the secret is not shown |

pub mod csv;
pub mod date;
pub mod json;
pub mod spell;

/// Cuts the input into so many parts at bytes that no UTF-8 has; what is missing is empty.
pub fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut rest = data.splitn(N, |byte| *byte == 0xff);
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

/// Where the standard library and others get what is to be random: here the same bytes each time, so
/// that hash maps, too, go the same way from the same seed. The library leaves its call open to
/// being replaced for such measurements.
///
/// # Safety
///
/// As for getrandom(2): `length` bytes from `buffer` on can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: the caller says so.
    unsafe { buffer.write_bytes(0x5a, length) };
    length.cast_signed()
}
