//! A body on its way, decompressed as it comes.
//!
//! The HTTP library would decode what it asked for, but only where the name of the encoding is
//! spelled as in its own request, and of gzip only the first member. Others read more, so this does:
//! names in upper and lower case alike, `x-gzip` for gzip (RFC 9110, 8.4.1), and gzip of several
//! members, as a server makes it that compresses piece by piece. Gzip alone is asked for: every server
//! has it, and each further encoding would be a library to build.
//!
//! Guarantees: what is decoded at once is at most [`CHUNK`], whatever it unfolds from; the number of
//! members is bounded. Whatever follows the last member and is none itself is passed over. A body in an
//! encoding that compresses and that nobody asked for is said to be one; any other name leaves the body
//! as it came, since some servers put a charset there.

use std::io;

use async_compression::tokio::bufread::GzipDecoder;
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt};
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;
use tokio::io::{AsyncBufReadExt, AsyncReadExt};
use tokio_util::io::StreamReader;

/// What requests say can be read.
pub(crate) const ACCEPTED: &str = "gzip";

/// How much is decoded at once.
const CHUNK: usize = 16 * 1024;

/// How a member of gzip begins.
const MEMBER: [u8; 2] = [0x1f, 0x8b];

/// The most members of one body: each costs time, though it may hold nothing.
const MEMBERS: usize = 65_536;

/// The body as it comes over the wire.
type RawBody = StreamReader<BodyDataStream<UnsyncBoxBody<Bytes, io::Error>>, Bytes>;

/// A body that is still under way.
pub(crate) enum BodyStream {
    /// As it came.
    Plain(Response),
    /// Decoded.
    Decoded(Decoded),
    /// Compressed as nobody asked: the name of the encoding.
    Unasked(&'static str),
}

/// Why there is no more of a body.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// The connection broke.
    Connection(reqwest::Error),
    /// The body is not what its encoding says, or ends before it should.
    Encoding(io::Error),
    /// It is compressed as nobody asked: the name of the encoding.
    Unasked(&'static str),
}

/// Decodes a body.
pub(crate) struct Decoded {
    decoder: Decoder,
    buffer: BytesMut,
}

enum Decoder {
    /// One member of gzip after the other, and which one it is.
    Gzip(Box<GzipDecoder<RawBody>>, usize),
    Over,
}

impl BodyStream {
    /// The body of this answer, decoded as its header says.
    pub(crate) fn of(response: Response) -> Self {
        let encoding = response.headers().get(CONTENT_ENCODING).and_then(|it| it.to_str().ok());
        let named = encoding.unwrap_or_default().trim().to_ascii_lowercase();
        match named.as_str() {
            "gzip" | "x-gzip" => {
                let decoder = Decoder::Gzip(Box::new(GzipDecoder::new(raw(response))), 1);
                Self::Decoded(Decoded { decoder, buffer: BytesMut::new() })
            }
            "br" => Self::Unasked("br"),
            "zstd" => Self::Unasked("zstd"),
            "deflate" => Self::Unasked("deflate"),
            _ => Self::Plain(response),
        }
    }

    /// Its length, as the server claims it; of a body that is decoded nobody knows it.
    pub(crate) fn claimed(&self) -> Option<u64> {
        match self {
            Self::Plain(response) => response.content_length(),
            Self::Decoded(_) | Self::Unasked(_) => None,
        }
    }

    /// The next piece. Nothing is lost where the caller does not wait for it to the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, BodyFault> {
        match self {
            Self::Plain(response) => response.chunk().await.map_err(BodyFault::Connection),
            Self::Decoded(decoded) => decoded.chunk().await.map_err(fault),
            Self::Unasked(name) => Err(BodyFault::Unasked(name)),
        }
    }
}

impl Decoded {
    async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            self.buffer.reserve(CHUNK);
            let mut room = (&mut self.buffer).limit(CHUNK);
            let read = match &mut self.decoder {
                Decoder::Gzip(decoder, _) => decoder.read_buf(&mut room).await?,
                Decoder::Over => return Ok(None),
            };
            if read > 0 {
                return Ok(Some(self.buffer.split().freeze()));
            }
            self.next_member().await?;
        }
    }

    /// Goes on to the next member of gzip, if there is one.
    async fn next_member(&mut self) -> io::Result<()> {
        if let Decoder::Gzip(decoder, _) = &mut self.decoder {
            let rest = decoder.get_mut().fill_buf().await?;
            let another =
                !rest.is_empty() && (rest.starts_with(&MEMBER) || MEMBER.starts_with(rest));
            if another
                && let Decoder::Gzip(decoder, count) =
                    std::mem::replace(&mut self.decoder, Decoder::Over)
            {
                if count >= MEMBERS {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "too many members"));
                }
                let next = GzipDecoder::new(decoder.into_inner());
                self.decoder = Decoder::Gzip(Box::new(next), count + 1);
                return Ok(());
            }
        }
        self.decoder = Decoder::Over;
        Ok(())
    }
}

fn raw(response: Response) -> RawBody {
    let body = reqwest::Body::from(response).map_err(io::Error::other).boxed_unsync();
    StreamReader::new(BodyDataStream::new(body))
}

/// Tells the library's errors, which come through the decoders as they are, from the decoders' own.
fn fault(error: io::Error) -> BodyFault {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => BodyFault::Connection(error),
        Err(error) => BodyFault::Encoding(error),
    }
}
